"""Verifies that instances belong to a signed clean-up, by what DRS says of their jobs."""

import time
from collections.abc import Mapping

from temporalio import activity

from activities.access.verifier import RequestVerifier
from aws.drs.client import DrsClient
from aws.drs.models import Job, RecoveryInstance
from contract.cleanup import TerminateRequest
from recovery.access.binding import require_current, require_same, require_termination
from recovery.access.grants import AccessCode, AccessRefusedError, CleanupSubject
from recovery.access.session_identity import SessionIdentity
from recovery.execution.cleanup_state import LaunchedInstance


class CleanupCheck:
    """Verifies terminations before they are sent."""

    def __init__(self, verifier: RequestVerifier) -> None:
        self._verifier = verifier

    def subject_of(self, request: TerminateRequest) -> CleanupSubject:
        """The signed clean-up that a request belongs to.

        Raises:
            AccessRefusedError: it is not signed, or is not what was signed.
        """
        if activity.info().workflow_type != "DrillCleanupWorkflow" or request.cleanup is None:
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, "it was not requested by the workflow of a clean-up"
            )
        grant = self._verifier.cleanup_grant(request.cleanup)
        subject = request.cleanup.subject
        require_same(grant, subject, actor=request.cleanup.actor)
        require_current(grant, now=time.time())
        if time.time() < grant.issued_time + subject.after_seconds:
            raise AccessRefusedError(
                AccessCode.NOT_YET_VALID, f"{grant.actor} signed it for a later time"
            )
        identity = SessionIdentity.of(subject.plan_id, subject.execution_id, grant.actor)
        if request.acting_for != identity:
            raise AccessRefusedError(
                AccessCode.OTHER_ACTOR,
                f"its session in AWS would not be named after {grant.actor}, who signed it",
            )
        return subject

    async def refused(
        self, subject: CleanupSubject, request: TerminateRequest, api: DrsClient
    ) -> dict[str, AccessRefusedError]:
        """By the ID of an instance, why it is not terminated."""
        asked = request.instances
        servers = list(dict.fromkeys(i.source_server_id for i in asked))
        listed = {i.recovery_instance_id: i for i in await api.recovery_instances(servers)}
        job_ids = dict.fromkeys(i.job_id for i in listed.values() if i.job_id)
        jobs = {job.job_id: job for job in await api.jobs(list(job_ids))}
        for job in jobs.values():
            # DescribeJobs may omit tags.
            if not job.tags and job.arn:
                job.tags = await api.tags_of(job.arn)
        refused = {}
        for instance in asked:
            found = listed.get(instance.recovery_instance_id)
            try:
                _require_own(subject, instance, found, jobs)
            except AccessRefusedError as error:
                refused[instance.recovery_instance_id] = error
        return refused


def _require_own(
    subject: CleanupSubject,
    asked: LaunchedInstance,
    listed: RecoveryInstance | None,
    jobs: Mapping[str, Job],
) -> None:
    """Refuse an instance that is not one of the execution.

    Raises:
        AccessRefusedError: why.
    """
    job = jobs.get(listed.job_id or "") if listed is not None else None
    if listed is None or listed.job_id != asked.recovery_job_id:
        raise AccessRefusedError(AccessCode.OTHER_CONTENT, "DRS does not list it with this job")
    require_termination(subject, job.launch_ids if job else (), is_drill=listed.is_drill is True)

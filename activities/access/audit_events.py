"""What activities write to the audit log: one function for each kind of act."""

import time
from collections.abc import Iterator, Mapping, Sequence

from activities.access.verifier import VerifiedStart
from contract.cleanup import TerminateRequest
from contract.identifiers import launch_id_parts, plan_id_of
from contract.launch import LaunchRequest, LaunchResult
from contract.launch_settings.apply import ApplyRequest, PrepareRequest
from contract.steps import StartedStep, StartOutcome, StartRevert, StepCall
from recovery.access.audit import AuditAct, AuditEvent
from recovery.access.grants import Grant
from recovery.access.session_identity import SessionIdentity
from recovery.execution.state import MessageRecord
from recovery.launch_settings.report import AppliedServer, AppliedStatus


def start_event(plan_workflow_id: str, start: VerifiedStart | None = None) -> AuditEvent:
    """The start of a plan's workflow; of one that is refused only its ID is known."""
    event = AuditEvent(time=time.time(), act=AuditAct.START, accepted=True)
    event.plan_id = plan_workflow_id.removeprefix("drs-plan/")
    if start is not None:
        event.execution_id, event.plan_id = start.subject.execution_id, start.subject.plan_id
        event.text, event.subject_ids = start.subject.execution_type, start.subject.relaunch or None
    return event.signed_by(start.grant if start else None)


def launch_event(request: LaunchRequest, grant: Grant | None = None) -> AuditEvent:
    """A launch, whatever becomes of it."""
    event = AuditEvent(
        time=time.time(),
        act=AuditAct.RELAUNCH if request.relaunch else AuditAct.LAUNCH,
        accepted=True,
        launch_id=request.launch_id,
        subject_ids=list(request.server_ids),
    )
    if parts := launch_id_parts(request.launch_id):
        event.execution_id, event.wave_id = parts.execution_id, parts.wave_id
        event.plan_id = plan_id_of(parts.execution_id)
    return _asked_by(event, request.acting_for).signed_by(grant)


def launch_events(
    requests: Sequence[LaunchRequest],
    results: Sequence[LaunchResult],
    grants: Mapping[str, Grant],
    *,
    in_doubt: bool,
) -> Iterator[AuditEvent]:
    """What became of launches that may be launched; those that wait are left out.

    Args:
        requests: the launches.
        results: of those that are settled.
        grants: by launch ID, the signed start.
        in_doubt: whether DRS may have accepted the others.
    """
    settled = {result.launch_id: result for result in results}
    for request in requests:
        event = launch_event(request, grants.get(request.launch_id))
        if (result := settled.get(request.launch_id)) is not None:
            yield from _outcome(event, result)
        elif in_doubt:
            event.text = "sent; whether DRS accepted it is not known"
            yield event


def _outcome(event: AuditEvent, result: LaunchResult) -> Iterator[AuditEvent]:
    launched = [s for s in result.servers if s.recovery_job_id]
    others = [s for s in result.servers if not s.recovery_job_id]
    if launched:
        taken = {s.recovery_job_id: " (taken over)" if s.taken_over else "" for s in launched}
        text = ", ".join(f"{job_id}{note}" for job_id, note in taken.items())
        ids = [s.source_server_id for s in launched]
        yield event.model_copy(update={"text": text, "subject_ids": ids})
    if others:
        ids = [s.source_server_id for s in others]
        why = {"refusal": "NOT_LAUNCHED", "text": others[0].reason or ""}
        yield event.model_copy(update={"accepted": False, "subject_ids": ids} | why)


def termination_event(
    request: TerminateRequest, instance_ids: Sequence[str], grant: Grant | None = None
) -> AuditEvent:
    """The termination of instances, right before it is sent."""
    event = AuditEvent(time=time.time(), act=AuditAct.TERMINATE, accepted=True)
    event.subject_ids = list(instance_ids)
    if request.cleanup is not None:
        event.execution_id, event.plan_id = request.cleanup.execution_id, request.cleanup.plan_id
    return _asked_by(event, request.acting_for).signed_by(grant)


def revert_event(start: StartRevert, grant: Grant | None = None, text: str = "") -> AuditEvent:
    """What a step replaced, put back."""
    wave_id, _, step_id = start.step.partition("/")
    event = AuditEvent(
        time=time.time(),
        act=AuditAct.REVERT,
        accepted=True,
        text=text or None,
        plan_id=start.plan_id,
        execution_id=start.execution_id,
        wave_id=wave_id,
        step_id=step_id,
    )
    identity = SessionIdentity.of(start.plan_id, start.execution_id, start.actor)
    return _asked_by(event, identity).signed_by(grant)


def launch_settings_event(
    request: PrepareRequest | ApplyRequest, results: Sequence[AppliedServer], grant: Grant | None
) -> Iterator[AuditEvent]:
    """What became of a plan's launch settings, an event each of what was changed and left alone.

    Without results, what is asked for.
    """
    event = AuditEvent(
        time=time.time(), act=AuditAct.LAUNCH_SETTINGS, accepted=True, plan_id=request.plan_id
    )
    identity = SessionIdentity.of(request.plan_id, request.apply_id, request.actor)
    event = _asked_by(event, identity).signed_by(grant)
    changed = [e for e in results if e.status in (AppliedStatus.APPLIED, AppliedStatus.FAILED)]
    if changed or not results:
        ids = [each.source_server_id for each in changed] or None
        yield event.model_copy(update={"subject_ids": ids})
    if left := [e for e in results if e.status is AppliedStatus.REFUSED]:
        why = {"accepted": False, "refusal": "NOT_CHANGED", "text": left[0].reason}
        yield event.model_copy(
            update={"subject_ids": [each.source_server_id for each in left]} | why
        )


def step_event(call: StepCall, grant: Grant | None = None, text: str = "") -> AuditEvent:
    """A step that acts, or its stop, and what became of that."""
    event = AuditEvent(
        time=time.time(),
        act=AuditAct.STEP,
        accepted=True,
        text=text or None,
        plan_id=call.plan_id,
        execution_id=call.execution_id,
        wave_id=call.wave_id,
        step_id=call.step.step_id,
        attempt_id=call.attempt_id,
        subject_ids=[each.instance_id for each in call.servers if each.instance_id] or None,
    )
    return _asked_by(event, call.acting_for).signed_by(grant)


def started_event(call: StepCall, started: StartedStep, grant: Grant | None) -> AuditEvent:
    """What became of the start of a step that acts."""
    ended = f"{started.result.status} {started.result.reason}".strip() if started.result else ""
    event = step_event(call, grant, started.reference or started.reason or ended)
    if started.outcome in (StartOutcome.NOT_STARTED, StartOutcome.PLAN_CLOSED):
        update = {"accepted": False, "refusal": started.outcome.value}
        return event.model_copy(update=update)
    return event


def message_event(
    execution_id: str, record: MessageRecord, grant: Grant | None, refusal: str | None
) -> AuditEvent:
    """An operator's message, as the execution recorded it, or a cancellation."""
    return AuditEvent(
        time=time.time(),
        act=AuditAct.CANCEL if record.name == "cancel" else AuditAct.MESSAGE,
        accepted=record.accepted,
        refusal=refusal,
        text=record.effect,
        actor=record.actor,
        plan_id=plan_id_of(execution_id),
        execution_id=execution_id,
        wave_id=record.wave_id,
        step_id=record.step_id,
        message=record.name,
        launch_id=record.launch_id,
    ).signed_by(grant)


def _asked_by(event: AuditEvent, identity: SessionIdentity | None) -> AuditEvent:
    if identity is not None:
        event.actor = identity.actor
        event.plan_id = event.plan_id or identity.plan_id
        event.execution_id = event.execution_id or identity.execution_id
    return event

"""Puts back what a step replaced: a record of Route 53, or the state of a routing control."""

import asyncio
import time
from typing import cast

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.access.audit_events import revert_event
from activities.access.verifier import RequestVerifier
from activities.fence import confirm_attempt
from activities.heartbeat import heartbeating
from activities.retry import retried_later
from activities.steps.interface import StepRefusedError
from activities.steps.kinds import route53_record, routing_control
from aws.role_credentials import acting_for
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from contract.failures import FailureType
from contract.steps import RevertResult, StartRevert
from recovery.access.allowed_steps import uses_of
from recovery.access.binding import require_current, require_same
from recovery.access.grants import AccessCode, AccessRefusedError, Grant
from recovery.access.session_identity import SessionIdentity
from recovery.operator.confirmation import revert_refusal
from recovery.plan.model import Target
from recovery.steps.model import Route53Record, RoutingControl
from recovery.steps.replaced import RecordSet, ReplacedState, RevertView
from settings import Settings
from storage.history import HistoryTable

Spec = Route53Record | RoutingControl
_SYNC_SECONDS = 120.0


class RevertActivities:
    """The activities that look at what a step replaced, and put it back."""

    def __init__(
        self,
        clients: TargetClients,
        settings: Settings,
        table: HistoryTable,
        verifier: RequestVerifier,
    ) -> None:
        self._services = ServiceClient(clients)
        self._allow_list = clients.allow_list
        self._settings = settings
        self._table = table
        self._verifier = verifier

    @activity.defn
    async def revert_step(self, start: StartRevert) -> RevertResult:
        """Look at what a step replaced and, if that was confirmed, put it back.

        Raises:
            ApplicationError: it is refused, or retryable: it cannot be done now.
        """
        identity = SessionIdentity.of(start.plan_id, start.execution_id, start.actor)
        pause = self._settings.scaled_poll_seconds
        async with heartbeating():
            try:
                with acting_for(identity), retried_later(after=pause):
                    return await self._run(start)
            except AccessRefusedError as refused:
                self._verifier.report_refusal(revert_event(start), refused)
                raise _refused(str(refused)) from refused
            except StepRefusedError as refused:
                raise _refused(str(refused)) from refused

    async def _run(self, start: StartRevert) -> RevertResult:
        grant = self._grant(start) if start.view is not None else None
        spec, target, replaced = await self._recorded(start)
        if self._allow_list is not None:
            refusals = self._allow_list.steps.refusals(uses_of(spec), self._allow_list.source)
            if refusals:
                raise AccessRefusedError(AccessCode.NOT_ALLOWED, "; ".join(refusals))
        view = RevertView(
            place=_place(spec, target),
            now=await self._current(spec, target),
            was=replaced.was,
            set_to=replaced.set_to,
        )
        if start.view is None:
            return RevertResult(view=view)
        if activity.info().attempt > 1 and view.now == view.was:
            text = f"{view.place} is as it was before the step"
            return RevertResult(view=view, text=text, actor_verified=self._verifier.is_required)
        if view != start.view:
            raise StepRefusedError(f"{view.place} has changed since it was shown; look again")
        refused = revert_refusal(view, start.step, start.confirmation, is_forced=start.is_forced)
        if refused is not None:
            raise StepRefusedError(refused.text)
        text = await self._put_back(start, spec, target, view)
        self._verifier.audit.write(revert_event(start, grant, text))
        return RevertResult(
            view=view.model_copy(update={"now": view.was}),
            text=text,
            actor_verified=self._verifier.is_required,
        )

    def _grant(self, start: StartRevert) -> Grant | None:
        """The signed request, as far as it is signed.

        Raises:
            AccessRefusedError: it must be signed, and is not.
        """
        if not self._verifier.is_required:
            return self._verifier.grant_of(start.signed)
        if activity.info().workflow_type != "RevertStepWorkflow":
            raise AccessRefusedError(
                AccessCode.OTHER_CALLER, "it was not requested by the workflow that puts back"
            )
        grant = self._verifier.verified(start.signed)
        require_same(grant, start.subject, actor=start.actor)
        require_current(grant, now=time.time())
        return grant

    async def _recorded(self, start: StartRevert) -> tuple[Spec, Target, ReplacedState]:
        """What the history has of a step.

        Raises:
            StepRefusedError: there is nothing that could be put back.
        """
        found = await self._table.execution(start.execution_id)
        if found is None or found[0].plan_id != start.plan_id:
            raise StepRefusedError(f"{start.execution_id} of {start.plan_id} is not recorded")
        state, plan = found
        wave_id, _, step_id = start.step.partition("/")
        states = [
            step
            for wave in state.waves
            if wave.wave_id == wave_id
            for step in wave.steps
            if step.step_id == step_id
        ]
        if not states:
            raise StepRefusedError(f"{start.execution_id} has no step {start.step}")
        wave = plan.wave(wave_id)
        step = wave.step(step_id)
        if states[0].before is None or not isinstance(step.spec, Spec):
            raise StepRefusedError(f"{start.step} replaced nothing that is known")
        return step.spec, wave.target_of(step), ReplacedState.model_validate(states[0].before)

    async def _current(self, spec: Spec, target: Target) -> RecordSet | str | None:
        if isinstance(spec, Route53Record):
            return await route53_record.current_record(self._services, target, spec)
        return await routing_control.current_state(self._services, target, spec)

    async def _put_back(
        self, start: StartRevert, spec: Spec, target: Target, view: RevertView
    ) -> str:
        not_after = await confirm_attempt()
        if isinstance(spec, RoutingControl):
            state = str(view.was)
            await routing_control.set_state(
                self._services, target, spec, state, not_after=not_after
            )
            return f"{view.place} is {state} again"
        action, record = ("UPSERT", view.was) if view.was is not None else ("DELETE", view.now)
        change_id = await route53_record.change_record(
            self._services,
            target,
            spec.zone_id,
            action,
            cast(RecordSet, record),
            comment=f"Put back by {start.actor}"[:256],
            not_after=not_after,
        )
        until = time.monotonic() + _SYNC_SECONDS / self._settings.speed
        while time.monotonic() < until:
            answer = await self._services.read(target, "route53", "get_change", Id=change_id)
            if answer["ChangeInfo"]["Status"] == "INSYNC":
                return f"{view.place} is put back, and all DNS servers have it"
            await asyncio.sleep(self._settings.scaled_poll_seconds)
        return f"{view.place} is put back; not all DNS servers have it yet (change {change_id})"


def _place(spec: Spec, target: Target) -> str:
    role = f" as {target.role_arn}" if target.role_arn else ""
    if isinstance(spec, Route53Record):
        return f"record {spec.name} {spec.type} of zone {spec.zone_id}{role}"
    return f"routing control {spec.routing_control_arn}{role}"


def _refused(text: str) -> ApplicationError:
    return ApplicationError(text, type=FailureType.REVERT_REFUSED, non_retryable=True)

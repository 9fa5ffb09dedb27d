"""The inputs of waves' workflows: what the plan, its state and earlier attempts say of a wave."""

from collections.abc import Collection, Iterable, Mapping

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contract.execution import StartExecution, TakenOver
    from contract.identifiers import launch_prefix
    from contract.readiness import TargetContext
    from contract.wave import WaveInput
    from recovery.access.grants import SignedApproval, SignedRequest
    from recovery.access.session_identity import SessionIdentity
    from recovery.execution.server import ServerResult
    from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
    from recovery.execution.wave import WaveState
    from recovery.forecast.estimates import earliest_seconds, rto_launch_time
    from recovery.launch.admission import DEFAULT_PRIORITY
    from recovery.launch_settings.resolve import drill_subnets
    from recovery.notify.events import NotifiedExecution
    from recovery.steps.state import StepState
    from workflows.plan.expectations import Expectations
    from workflows.plan.step_inputs import StepInputs
    from workflows.wave.requests import launcher_of, launches_at_once


class WaveInputs:
    """Makes the inputs of the waves of one execution.

    Attributes:
        signed_retries: by WaveId, the signed messages that attempts follow, for the worker that
            launches.
        signed_approvals: by WaveId, or None for the recovery: the signed approvals, for the same.
    """

    def __init__(
        self, start: StartExecution, state: ExecutionState, expectations: Expectations
    ) -> None:
        self._start = start
        self._state = state
        self._expectations = expectations
        self._step_inputs = StepInputs(start.plan, state)
        self._taken_over: list[ServerResult] = []
        self._steps_taken_over: dict[str, list[StepState]] = {}
        # By Region and role, of the targets whose account is known.
        self._accounts: dict[tuple[str, str | None], str] = {}
        self.signed_retries: dict[str, list[SignedRequest]] = {}
        self.signed_approvals: dict[str | None, list[SignedApproval]] = {}

    def take_over(self, earlier: TakenOver) -> None:
        """Take over what an earlier execution launched and ran."""
        self._taken_over = earlier.servers
        self._steps_taken_over = {
            wave_id: [step.model_copy(update={"taken_over": True}) for step in steps]
            for wave_id, steps in earlier.steps.items()
        }
        self._step_inputs.take_over(earlier.steps)

    def set_accounts(self, targets: Iterable[TargetContext]) -> None:
        """Set the accounts in which the worker acts."""
        self._accounts = {(t.region, t.role_arn): t.account_id for t in targets if t.account_id}

    def keep_outputs(self, wave_id: str, outputs: Mapping[str, dict[str, JsonValue]]) -> None:
        """Keep what steps of a wave returned, by StepId and name; not masked."""
        self._step_inputs.add(wave_id, outputs)

    def input_of(
        self, wave: WaveState, *, requests_launches: bool, coming: Collection[SignedRequest]
    ) -> WaveInput:
        """The input of the wave's next attempt.

        Args:
            wave: the wave.
            requests_launches: the plan requests its launches, if they are its first act.
            coming: the signed messages that it still gets by signal.
        """
        start, state, plan = self._start, self._state, self._start.plan
        planned = plan.wave(wave.wave_id)
        self._expectations.update_wave(planned, wave)
        is_drill = start.execution_type is ExecutionType.DRILL
        remaining = self._expectations.remaining[wave.wave_id]
        since = start.takeover.since if start.takeover else start.start_time or state.start_time
        wave_input = WaveInput(
            execution_id=start.execution_id,
            execution_type=start.execution_type,
            plan_id=plan.plan_id,
            plan_workflow_id=workflow.info().workflow_id,
            wave=planned,
            attempt=wave.attempt,
            revision=wave.revision,
            speed=state.speed,
            since=since,
            earlier=self._earlier_servers(wave),
            launch_prefixes=self._earlier_prefixes(wave),
            paused=state.status is PlanStatus.PAUSED,
            launch_before=state.start_time + plan.deadline_seconds / state.speed,
            relaunch=[s for s in start.relaunch if s in planned.server_ids],
            priority=start.priority or plan.priority or DEFAULT_PRIORITY,
            remaining_seconds=remaining,
            rto_launch_time=rto_launch_time(
                plan.rto, since=state.declared_time or since, remaining=remaining, speed=state.speed
            ),
            expected_seconds=wave.expected_seconds,
            earliest_seconds=earliest_seconds(planned, start.learned.servers | start.expected),
            operating_systems=wave.operating_systems,
            server_names=wave.server_names,
            optimal_seconds=wave.optimal_seconds,
            past_attempts=wave.past_attempts,
            reported_execution=NotifiedExecution.of(state),
            channels=plan.notify,
            point_in_time=plan.point_in_time,
            acting_for=SessionIdentity.of(plan.plan_id, start.execution_id, start.started_by),
            retried_by=[
                each for each in self.signed_retries.get(wave.wave_id, []) if each not in coming
            ],
            approved_by=[
                *self.signed_approvals.get(None, []),
                *self.signed_approvals.get(wave.wave_id, []),
            ],
            earlier_steps=self._earlier_steps(wave),
            steps_in_doubt=wave.steps_in_doubt,
            is_signed=start.signed is not None,
            launch_accepted=wave.decisions.accepted_by is not None,
            step_servers=self._step_inputs.servers_of(planned),
            step_outputs=self._step_inputs.outputs_of(planned),
            secret_references=self._step_inputs.secret_references_of(planned),
            drill_settings=plan.drill_launch_settings if is_drill else None,
            drill_subnets=[] if is_drill else sorted(drill_subnets(plan)),
            account_id=self._accounts.get((planned.target.region, planned.target.role_arn)),
        )
        now = workflow.time()
        requests_launches &= launches_at_once(wave_input) and now < wave_input.launch_before
        if requests_launches and launcher_of(wave_input):
            wave_input.launches_requested = now
        return wave_input

    def _earlier_servers(self, wave: WaveState) -> list[ServerResult]:
        """The servers' results of earlier attempts or of the execution that is taken over.

        Without their reasons: a hundred waves' starts share one message to Temporal.
        """
        if wave.attempt > 1:
            launched = [s for s in wave.servers if s.recovery_job_id]
            return [s.model_copy(update={"reason": None}) for s in launched]
        return wave.taken_over(self._taken_over)

    def _earlier_steps(self, wave: WaveState) -> list[StepState]:
        """The steps that earlier attempts began, or else the execution that is taken over."""
        before = {step.step_id: step for step in self._steps_taken_over.get(wave.wave_id, [])}
        steps = [s if s.is_known else before.get(s.step_id, s) for s in wave.steps]
        return [step for step in steps if step.is_known]

    def _earlier_prefixes(self, wave: WaveState) -> list[str]:
        """The prefixes of the launch IDs of those earlier launches."""
        start = self._start
        prefixes = [launch_prefix(start.takeover.execution_id)] if start.takeover else []
        if wave.attempt > 1:
            prefixes.append(launch_prefix(start.execution_id, wave.wave_id))
        return prefixes

"""The dialogs that start an execution; they show what is kept, what is launched, and where."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from api.auth.rate_limits import TooManyRequestsError
from api.auth.tokens import Principal
from api.execution_starter import RequestedPoint, StartRequest
from api.hub import POLL_ERRORS
from api.pages.dialogs import Dialog, Fields, Outcome
from api.pages.rendering import render
from api.service import ExecutionService, version_of
from client.connection import temporal_place
from client.errors import RefusedError
from client.readiness.check import sources_text, start_scope
from client.start import running_drill
from client.takeover import PreviousExecution, previous_execution, recorded_execution
from contract.readiness import PlanSnapshots, Readiness, TargetContext
from recovery.execution.server import server_label
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.launch_settings.resolve import isolation_of
from recovery.operator.confirmation import IntendedStart
from recovery.plan.membership import membership_facts, resolve, unresolved
from recovery.plan.model import RecoveryPlan
from recovery.plan.point_in_time import left_out_text, points_facts, points_problem, time_problem
from recovery.readiness.affected import merged
from recovery.readiness.verdict import worst_first
from recovery.text_format import count, listed
from recovery.time_text import read_duration, read_time
from storage.plans import PlanVersion

CONTINUE = "continue"
RELAUNCH = "relaunch"
_CLEANUPS = {"": None, "3600": 3600.0, "14400": 14_400.0, "86400": 86_400.0}
_MAX_FINDINGS = 100
# As many as a form may have fields for; more are named on the command line.
_MAX_RELAUNCHED = 200
_RELAUNCH_FIELD = "relaunch:"


async def plan_dialog(
    service: ExecutionService, user: Principal, name: str, about: str
) -> Dialog | None:
    """The dialog that starts a plan, or continues one of its executions.

    Args:
        service: starts the execution.
        user: who opens the dialog.
        name: `drill`, `recovery` or `relaunch`, or `continue`.
        about: the PlanId; of `relaunch` and `continue` an execution, of `continue` also
            `EXECUTION@VERSION` to run that version of the plan.

    Raises:
        ApiProblem: the plan is not registered.
        RefusedError: it cannot be started now.
        TableError: the plan cannot be read.
    """
    execution_id, _, version = about.partition("@")
    if name.upper() in list(ExecutionType):
        form, state = _Form(about, ExecutionType(name.upper())), None
    elif name in (CONTINUE, RELAUNCH):
        state, _ = await recorded_execution(execution_id)
        named = execution_id if name == CONTINUE else None
        form = _Form(state.plan_id, state.execution_type, named)
    else:
        return None

    async def send(caller: Principal, fields: Fields) -> Outcome:
        request = form.request(fields)
        is_shown = request.points_hash is not None or request.point_in_time is None
        if not is_shown or (unresolved(start.plan) and request.plan_hash is None):
            chosen = await _chosen(service, caller, start, request.point_in_time)
            return Outcome("", dialog=_chosen_html(form, fields, chosen))
        result = await service.starter.start(caller, form.plan_id, request, key=fields["key"])
        text = f"{form.kind} {result.execution_id} has been started on {result.temporal}."
        return Outcome(" ".join((text, *result.warnings)), f"/executions/{result.execution_id}")

    try:
        start = await _start(service, form, version_of(version) if version else None, state)
        html = await _html(service, start, form)
    except RefusedError as error:
        # A form that is sent again may be that of the execution that runs now.
        html = render("error_dialog", error=error.text, running=error.running, sign_in=None)
        return Dialog(html, send)
    return Dialog(html, send, lambda: _checked_targets(service, user, start))


@dataclass(frozen=True)
class _Form:
    """What a form starts.

    Attributes:
        from_execution: the execution that it continues.
    """

    plan_id: str
    kind: ExecutionType
    from_execution: str | None = None

    def request(self, fields: Fields) -> StartRequest:
        """The request of the fields of a form."""
        is_recovery = self.kind is ExecutionType.RECOVERY
        chosen = [name for name in fields if name.startswith(_RELAUNCH_FIELD)]
        return StartRequest(
            execution_type=self.kind,
            # What the dialog showed; a newer version may have been registered since.
            version=version_of(fields["version"]) if "version" in fields else None,
            confirmation=fields.get("typed") or None,
            relaunch=[name.removeprefix(_RELAUNCH_FIELD) for name in chosen],
            replace_drill=is_recovery and fields.get("replace") == "yes",
            from_execution=self.from_execution,
            cleanup_after_seconds=None if is_recovery else _CLEANUPS.get(fields.get("cleanup", "")),
            point_in_time=self.point_in_time(fields),
            points_hash=fields.get("points_hash") or None,
            plan_hash=fields.get("plan_hash") or None,
            accept_findings=fields.get("accept") == "yes",
        )

    def point_in_time(self, fields: Fields) -> RequestedPoint | None:
        """The point in time of the fields of a form; None if there is none.

        Raises:
            RefusedError: it cannot be read.
        """
        given, spread = fields.get("point", "").strip(), fields.get("spread", "").strip()
        if not given:
            return None
        try:
            moment = read_time(given, now=time.time())
            most = read_duration(spread) if spread else None
        except ValueError as error:
            raise RefusedError(f"nothing was started: {error}") from None
        return RequestedPoint(
            time=moment, max_spread_seconds=most, or_latest=fields.get("or_latest") == "yes"
        )


@dataclass(frozen=True)
class _Chosen:
    """A start with what was chosen for it: servers by tags, snapshots for a point in time.

    Attributes:
        start: the start, with the plan that would run.
        known: what DRS has of snapshots; None without a point in time.
        shrunk: waves with far fewer servers than before, which a drill must confirm.
        details: the HTML of its targets.
    """

    start: "_Start"
    known: PlanSnapshots | None
    shrunk: Sequence[str]
    details: str


async def _chosen(
    service: ExecutionService, user: Principal, start: "_Start", point: RequestedPoint | None
) -> _Chosen:
    """Choose the servers and snapshots of a start, to show them before they are confirmed.

    Raises:
        RefusedError: the start would be refused.
    """
    plan: RecoveryPlan = start.plan
    shrunk: Sequence[str] = ()
    if unresolved(plan):
        is_drill = start.kind is ExecutionType.DRILL
        resolution = resolve(plan, await service.membership(user, plan), is_drill=is_drill)
        if resolution.plan is None:
            raise RefusedError(f"nothing was started: {resolution.problem}")
        plan, shrunk = resolution.plan, resolution.shrunk if is_drill else ()
    if point is None:
        frozen = replace(start, plan=plan)
        return _Chosen(frozen, None, shrunk, await _checked_targets(service, user, frozen))
    wanted = point.point_in_time
    known = await service.snapshots(user, plan, wanted.time)
    plan = plan.at_point_in_time(wanted, known.by_server)
    problem = time_problem(wanted.time, now=time.time()) or points_problem(plan, now=time.time())
    if problem is not None:
        raise RefusedError(f"nothing was started: {problem}")
    frozen = replace(start, plan=plan)
    return _Chosen(frozen, known, shrunk, await _checked_targets(service, user, frozen))


def _chosen_html(form: _Form, fields: Fields, chosen: _Chosen) -> str:
    """The form that confirms what was chosen, with the fields of the form before it."""
    plan, known = chosen.start.plan, chosen.known
    names = {each.source_server_id: each.server_name for each in known.servers} if known else {}
    kept = {key: value for key, value in fields.items() if key != "typed"}
    if plan.membership is not None:
        kept["plan_hash"] = plan.plan_hash
    if plan.point_in_time is not None:
        # What was typed as `-2h` is another time now.
        shown = datetime.fromtimestamp(plan.point_in_time.time, UTC).isoformat()
        kept |= {"point": shown, "points_hash": plan.points_hash or ""}
    servers = [
        (server_label(i, names.get(i)), point, known.by_server[i])
        for i, point in plan.chosen_points.items()
        if known is not None
    ]
    return render(
        "points_dialog",
        plan=plan,
        kind=form.kind,
        fields=kept,
        facts=membership_facts(plan) | points_facts(plan, names, now=time.time()),
        shrunk=chosen.shrunk,
        seconds=known.seconds if known is not None else None,
        servers=servers[:_MAX_FINDINGS],
        more=len(servers) - _MAX_FINDINGS,
        typed=plan.plan_id if chosen.start.needs_plan_id else None,
        details=chosen.details,
    )


@dataclass(frozen=True)
class _Start:
    """What a dialog starts.

    Attributes:
        version: the registered version of the plan; None for the plan of `previous`.
        previous: the execution that it continues.
        live: the execution whose instances may be destroyed by a relaunch.
    """

    plan: RecoveryPlan
    kind: ExecutionType
    version: PlanVersion | None
    previous: PreviousExecution | None = None
    live: ExecutionState | None = None

    @property
    def relaunchable(self) -> list[tuple[str, str, str]]:
        """The servers of the plan that are recorded as up, each with its name and instance."""
        if self.live is None:
            return []
        planned = {i for wave in self.plan.waves for i in wave.server_ids}
        up = [s for s in self.live.servers_up if s.source_server_id in planned]
        return [
            (
                each.source_server_id,
                self.live.server_label(each.source_server_id),
                each.recovery_instance_id or "not known",
            )
            for each in up
        ]

    @property
    def needs_plan_id(self) -> bool:
        """Whether the PlanId confirms the start."""
        changes = self.previous.changes if self.previous else ()
        relaunch = [server_id for server_id, *_ in self.relaunchable]
        kind = self.kind
        start = IntendedStart(
            self.plan.plan_id,
            kind,
            relaunch=relaunch,
            plan_changes=changes,
            continues=self.previous is not None,
            left_out=left_out_text(self.plan),
        )
        return start.confirmed_for is not None


async def _start(
    service: ExecutionService, form: _Form, version: int | None, state: ExecutionState | None
) -> _Start:
    """What a form starts, read anew.

    Args:
        service: has the registered plans.
        form: the form.
        version: the version of the plan to continue with; None for the plan that ran.
        state: the execution that it is about; None to start the plan as it is registered.
    """
    if form.from_execution is None:
        registered = await service.plan(form.plan_id)
        return _Start(registered.plan, form.kind, registered.version, live=state)
    corrected = await service.plan(form.plan_id, version) if version else None
    plan = corrected.plan if corrected else None
    previous = await previous_execution(form.from_execution, plan, form.kind)
    return _Start(previous.plan, form.kind, corrected.version if corrected else None, previous)


async def _html(service: ExecutionService, start: _Start, form: _Form) -> str:
    """The form of a start.

    Raises:
        RefusedError: an execution of the plan runs that the start does not replace.
    """
    client, plan = await service.client(), start.plan
    may_replace = form.kind is ExecutionType.RECOVERY and start.previous is None
    return render(
        "start_dialog",
        plan=plan,
        version=start.version,
        plan_hash=plan.plan_hash,
        kind=form.kind,
        steps=steps_text(plan, form.kind),
        previous=start.previous,
        named=form.from_execution,
        relaunch=start.relaunchable[:_MAX_RELAUNCHED],
        more=len(start.relaunchable) - _MAX_RELAUNCHED,
        drill=await running_drill(client, plan.plan_id, replaces_drill=may_replace),
        place=temporal_place(client),
        # A second click, or a retry after a lost response, starts nothing.
        key=uuid4().hex,
        typed=plan.plan_id if start.needs_plan_id else None,
        details=_targets(start, _planned_targets(plan)),
    )


def steps_text(plan: RecoveryPlan, kind: ExecutionType) -> str:
    """How many steps an execution runs, and which are left out; "" if the plan has none."""
    if not plan.step_count:
        return ""
    left_out = [
        f"{step.step_id} of {wave.wave_name}"
        for wave in plan.waves
        for _, step in wave.all_steps
        if not step.runs_in(is_drill=kind is ExecutionType.DRILL)
    ]
    text = f"{count(plan.step_count - len(left_out), 'step')} in this {kind}"
    return f"{text}; left out, and so NOT_TESTED: {listed(left_out)}" if left_out else text


async def _checked_targets(service: ExecutionService, user: Principal, start: _Start) -> str:
    try:
        readiness = await service.readiness(user, start.plan)
    except (*POLL_ERRORS, TooManyRequestsError) as error:
        return _targets(start, _planned_targets(start.plan), error=str(error))
    if start.previous is not None:
        readiness = start.previous.without_own(readiness)
    return _targets(start, readiness.context.targets, readiness=readiness)


def _planned_targets(plan: RecoveryPlan) -> list[TargetContext]:
    return [
        TargetContext(region=each.region, role_arn=each.role_arn, account_id=each.account_id)
        for each in plan.targets
    ]


def _targets(
    start: _Start,
    targets: Sequence[TargetContext],
    *,
    readiness: Readiness | None = None,
    error: str = "",
) -> str:
    """Render what a start launches and where, with the findings of the readiness check.

    Args:
        start: the start.
        targets: its targets, as the plan or the worker says.
        readiness: what the worker found; None before the check has ended.
        error: why it failed.
    """
    plan = start.plan
    findings = merged(worst_first(readiness.findings)) if readiness else []
    scope = start_scope(plan, readiness, previous=start.previous)
    if start.kind is ExecutionType.RECOVERY and (readiness is not None or error):
        scope["Sources"] = sources_text(readiness)
    if start.kind is ExecutionType.DRILL and (where := isolation_of(plan)):
        scope["Drill"] = where
    return render(
        "targets",
        scope=scope,
        targets=[(each, _servers(plan, each)) for each in targets],
        names={wave.wave_id: wave.wave_name for wave in plan.waves},
        findings=findings[:_MAX_FINDINGS],
        more=len(findings) - _MAX_FINDINGS,
        is_sandbox=bool(targets) and all(each.is_sandbox for each in targets),
        is_checked=readiness is not None,
        # A confirmation shows the targets as the worker sees them.
        waits=start.kind is ExecutionType.RECOVERY,
        error=error,
    )


def _servers(plan: RecoveryPlan, target: TargetContext) -> int:
    """The number of servers of a plan in a target."""
    return sum(
        len(wave.servers)
        for wave in plan.waves
        if (wave.region, wave.role_arn) == (target.region, target.role_arn)
    )

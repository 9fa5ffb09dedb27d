"""Tables of readiness, executions and servers."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from cli.render.cells import fit, pad, wrapped
from cli.render.steps import wave_steps
from client.overview import ExecutionRow, KnownPlan
from contract.readiness import Readiness, TargetContext, WorkerContext
from recovery.execution.progress import SYMBOLS, attempt_text, unverified
from recovery.execution.recovery_points import recovery_point_lines, recovery_point_text
from recovery.execution.server import ServerResult, server_label
from recovery.execution.state import ExecutionState
from recovery.execution.wave import WaveAttempt, WaveState
from recovery.forecast.fast_mode import fast_lines
from recovery.launch_settings.isolation import isolation_lines
from recovery.plan.membership import membership_lines
from recovery.plan.model import RecoveryPlan, Target
from recovery.readiness.affected import merged
from recovery.readiness.finding import Finding
from recovery.steps.progress import steps_figures
from recovery.text_format import rounded_duration, running_duration, timestamp, visible

_INDENT = " " * 9
_WIDTH = 80


def aligned(rows: Sequence[Sequence[str]], *, heading: Sequence[str] = ()) -> list[str]:
    """Align rows in columns; the last column is neither padded nor cut."""
    all_rows = [[visible(cell) for cell in row] for row in (heading, *rows) if row]
    last = max(map(len, all_rows), default=1) - 1
    widths = [max(cell_len(row[n]) for row in all_rows if n < len(row)) for n in range(last)]
    padded = [[*map(pad, row, widths), *row[last:]] for row in all_rows]
    return ["  ".join(cells).rstrip() for cells in padded]


def target_table(plan: RecoveryPlan, targets: Iterable[TargetContext]) -> list[str]:
    """List the targets of a plan, as the worker sees them."""
    rows = []
    for target in targets:
        key = Target(region=target.region, role_arn=target.role_arn)
        waves = [w for w in plan.waves if w.target.model_copy(update={"account_id": None}) == key]
        servers = sum(len(wave.servers) for wave in waves)
        rows.append(
            (
                target.account_id or "unknown",
                target.region,
                str(servers),
                target.endpoint or "unknown",
                *([f"ERROR: {target.error}"] if target.error else []),
            )
        )
    return aligned(rows, heading=("ACCOUNT", "REGION", "SERVERS", "ENDPOINT"))


def other_endpoints(context: WorkerContext) -> list[str]:
    """List the endpoints that the worker calls besides DRS's."""
    urls = [url for target in context.targets for url in target.other_endpoints]
    urls += [context.history_endpoint] if context.history_endpoint else []
    return [f"The worker also calls {url}" for url in dict.fromkeys(urls)]


def found_line(readiness: Readiness) -> str:
    """When the findings below it were found."""
    return f"Found {timestamp(readiness.looked_time)}:"


def finding_table(plan: RecoveryPlan, findings: Iterable[Finding]) -> list[str]:
    """List the findings of a look at a plan, the worst first, each with its reason below."""
    names = {wave.wave_id: wave.wave_name for wave in plan.waves}
    position = {wave_id: number for number, wave_id in enumerate(names)}
    findings = sorted(merged(findings), key=lambda f: (f.rank, position.get(f.wave_id or "", -1)))
    rows = [
        (
            finding.severity,
            fit(names.get(finding.wave_id or "", "-"), 24),
            server_label(finding.source_server_id or "-", finding.server_name),
            finding.region or "-",
        )
        for finding in findings
    ]
    heading, *aligned_rows = aligned(rows, heading=("", "WAVE", "SERVER", "REGION"))
    lines = [heading]
    for row, finding in zip(aligned_rows, findings, strict=True):
        lines += [row, *wrapped(f"{finding.code}: {finding.message}", _WIDTH, indent=_INDENT)]
    return lines


_EXECUTION_HEADING = ("EXECUTION", "STATUS", "TYPE", "STARTED", "TOOK", "")


def execution_table(rows: Sequence[ExecutionRow], *, by_plan: bool = False) -> list[str]:
    """List executions, a line each; with `by_plan`, each with its plan before it."""
    cells = [(*([fit(row.plan_id, 24)] if by_plan else []), *_execution_cells(row)) for row in rows]
    plan = ["PLAN"] if by_plan else []
    return aligned(cells, heading=(*plan, *_EXECUTION_HEADING))


def plan_table(plans: Sequence[KnownPlan]) -> list[str]:
    """List plans, a line each, with the registered version and the last execution."""
    cells = [
        (
            fit(plan.plan_id, 24),
            f"version {plan.registered.version}" if plan.registered else "-",
            plan.readiness or "-",
            fit(plan.registered.by, 32) if plan.registered else "",
            *(_execution_cells(plan.last_execution) if plan.last_execution else ("no execution",)),
        )
        for plan in plans
    ]
    return aligned(cells, heading=("PLAN", "REGISTERED", "READINESS", "BY", *_EXECUTION_HEADING))


def _execution_cells(row: ExecutionRow) -> tuple[str, ...]:
    took = "" if row.end_time is None else rounded_duration(row.end_time - row.start_time)
    started = timestamp(row.start_time)
    return row.execution_id, row.status, row.execution_type, started, took, row.note


def execution_lines(state: ExecutionState) -> list[str]:
    """Describe one execution with its waves and servers."""
    ended = "" if state.end_time is None else f", ended {timestamp(state.end_time)}"
    lines = [
        f"{state.execution_type} of {state.plan_name} {state.status}",
        *([f"  {state.status_reason}"] if state.status_reason else []),
        f"  execution {state.execution_id}, plan {state.plan_id}, hash {state.plan_hash[:12]}",
        f"  by {state.started_by}, started {timestamp(state.start_time)}{ended}",
        *(f"  {each}" for each in membership_lines(state.membership)),
        *([f"  declared {timestamp(state.declared_time)}"] if state.declared_time else []),
        *(f"  {each}" for each in isolation_lines(state)),
        *(f"  {each}" for each in fast_lines(state)),
        *(f"  {each}" for each in recovery_point_lines(state)),
        *(f"  warning: {each}" for each in state.shown_warnings),
    ]
    for wave in state.waves:
        lines += ["", *_wave_lines(state, wave)]
    return lines


def wave_table(waves: Sequence[WaveState]) -> list[str]:
    """List waves, a line each."""
    rows = [
        (
            f"{SYMBOLS[wave.status]} {wave.status}",
            fit(wave.wave_name, 24),
            _done(wave),
            "" if wave.first_start_time is None else timestamp(wave.first_start_time)[11:],
            "" if wave.total_duration is None else running_duration(wave.total_duration),
            f"{unverified(wave)} unverified" if unverified(wave) else "",
        )
        for wave in waves
    ]
    return aligned(rows, heading=("STATUS", "WAVE", "LAUNCHED", "ACCEPTED", "TOOK", ""))


def _done(wave: WaveState) -> str:
    """How many servers of a wave are launched, or how many of its steps succeeded."""
    if not wave.servers:
        figures = steps_figures(wave.steps)
        return f"{figures} steps" if figures else "not tested"
    return f"{wave.launched_count}/{len(wave.servers)}"


def _wave_lines(state: ExecutionState, wave: WaveState) -> list[str]:
    symbol = SYMBOLS[wave.status]
    target = " ".join(part for part in (wave.account_id, wave.region) if part)
    took = "" if wave.total_duration is None else f", took {rounded_duration(wave.total_duration)}"
    took += f" in {wave.attempt} attempts" if wave.past_attempts and took else ""
    late = ", late" if wave.late else ""
    lines = [f"{symbol} {wave.wave_name} ({wave.wave_id}) {wave.status}{took}{late}  {target}"]
    if wave.status_reason:
        lines.append(f"  {wave.status_reason}")
    if wave.past_attempts:
        lines += [_attempt_line(attempt) for attempt in wave.attempts]
    elif wave.start_time is not None:
        lines.append(f"  {'accepted' if wave.servers else 'began'} {timestamp(wave.start_time)}")
    lines += aligned([_server_row(state, wave, server) for server in wave.servers])
    return lines + wave_steps(wave, now=_recorded_time(wave), width=_WIDTH)


def _recorded_time(wave: WaveState) -> float:
    """When a recorded wave was as it is (epoch seconds): its revision is the time of its change."""
    return wave.revision / 1000


def _attempt_line(attempt: WaveAttempt) -> str:
    accepted = (
        "not accepted by DRS" if attempt.start_time is None else timestamp(attempt.start_time)
    )
    return f"  {accepted}  {attempt_text(attempt)}"


def _server_row(state: ExecutionState, wave: WaveState, server: ServerResult) -> tuple[str, ...]:
    verified = {"YES": "verified", "NO": "contradicted", "UNKNOWN": "UNVERIFIED"}
    return (
        f"  {wave.server_label(server.source_server_id)}",
        server.launch_status,
        verified.get(server.verified or "", "-"),
        server.recovery_instance_id or "-",
        "-" if server.launch_time is None else timestamp(server.launch_time)[11:],
        recovery_point_text(state, server),
        server.reason or "",
    )

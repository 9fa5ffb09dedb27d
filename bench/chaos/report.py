"""The results table and the violations of a run."""

from rich.table import Table
from rich.text import Text

from bench.chaos.run_results import RunResults
from bench.chaos.script import ChaosActionKind

_THROTTLES = ("ThrottlingException",)
_SERVER_ERRORS = ("InternalServerException",)
_GATEWAY = ("gateway-before", "gateway-after")
_LOST = ("answer-lost", "answer-cut", "drop")


def results_table(results: RunResults, *, drills: int, seconds: float) -> Table:
    """Return the results table of a run.

    Args:
        results: the results so far.
        drills: the total number of drills.
        seconds: wall-clock seconds since the start.
    """
    table = Table(title=f"{len(results.drill_results)} of {drills} drills in {seconds:.0f} s")
    table.add_column("event")
    table.add_column("count", justify="right")
    for outcome, count in sorted(results.outcomes.items()):
        table.add_row(f"drills {outcome}", f"{count}")
    done = results.actions
    rows = {
        "workers killed (kill -9)": done[ChaosActionKind.KILL],
        "workers terminated (SIGTERM)": done[ChaosActionKind.TERMINATE],
        "restarts of Temporal": done[ChaosActionKind.RESTART_TEMPORAL],
        "network faults between a worker and Temporal": done[ChaosActionKind.INTERRUPT_NETWORK],
        "closures of all AWS connections": done[ChaosActionKind.CLOSE_CONNECTIONS],
        "lost or dropped DRS responses": results.faults_applied(*_LOST),
        "answers of a gateway instead of DRS": results.faults_applied(*_GATEWAY),
        "hanging calls": results.faults_applied("hang")
        + results.faults_applied("hang", service="dynamodb"),
        "signatures of a wrong clock": results.faults_applied("InvalidSignatureException"),
        "held responses": results.faults_applied("hold")
        + results.faults_applied("hold", service="dynamodb"),
        "throttled DRS calls": results.faults_applied(*_THROTTLES),
        "5xx errors of DRS": results.faults_applied(*_SERVER_ERRORS),
        "failed DynamoDB calls": results.faults_applied("InternalServerError", service="dynamodb"),
        "cancellations": done[ChaosActionKind.CANCEL],
        "messages accepted": results.message_outcomes["accepted"],
        "messages rejected": results.message_outcomes["rejected"],
        "messages without a response": results.message_outcomes["unanswered"],
        "actions without a target worker": results.without_target,
        "actions without a matching call": results.unmatched,
        "repeated clean-ups": results.cleanups_repeated,
    }
    for name, count in rows.items():
        table.add_row(name, f"{count}")
    violating = len(results.violating)
    style = "bold red" if violating else ""
    table.add_row(Text("drills with a violation", style), Text(f"{violating}", style))
    return table


def violation_lines(results: RunResults, *, seed: str) -> list[str]:
    """Return the violations and the commands that repeat the drills, as lines."""
    lines = []
    for drill_result in sorted(results.violating, key=lambda v: v.drill):
        lines.append(
            f"drill {drill_result.drill} of seed {seed} ({drill_result.outcome or 'no outcome'}):"
        )
        lines += [f"  VIOLATION: {violation}" for violation in drill_result.violations]
        lines += [f"  {action}" for action in drill_result.actions]
        lines.append(f"  repeat: python -m bench.chaos --seed {seed} --only {drill_result.drill}")
    return lines

"""How a run of drills is shown: while it goes on, and at its end."""

from rich.table import Table
from rich.text import Text

from bench.chaos.run_results import RunResults
from bench.chaos.script import ChaosActionKind

_THROTTLES = ("ThrottlingException",)
_SERVER_ERRORS = ("InternalServerException",)
_LOST = ("answer-lost", "answer-cut", "drop")


def results_table(results: RunResults, *, drills: int, seconds: float) -> Table:
    """The table of a run.

    Args:
        results: what was counted so far.
        drills: how many there are in all.
        seconds: since the begin, wall-clock.
    """
    table = Table(title=f"{len(results.drill_results)} of {drills} drills in {seconds:.0f} s")
    table.add_column("what")
    table.add_column("count", justify="right")
    for outcome, count in sorted(results.outcomes.items()):
        table.add_row(f"drills {outcome}", f"{count}")
    done = results.actions
    rows = {
        "workers killed (kill -9)": done[ChaosActionKind.KILL],
        "workers told to end (SIGTERM)": done[ChaosActionKind.TERMINATE],
        "restarts of Temporal": done[ChaosActionKind.RESTART_TEMPORAL],
        "network cuts between a worker and Temporal": done[ChaosActionKind.INTERRUPT_NETWORK],
        "breaks of all AWS connections": done[ChaosActionKind.CLOSE_CONNECTIONS],
        "lost or dropped DRS answers": results.faults_applied(*_LOST),
        "answers held": results.faults_applied("hold")
        + results.faults_applied("hold", service="dynamodb"),
        "throttled DRS calls": results.faults_applied(*_THROTTLES),
        "5xx of DRS": results.faults_applied(*_SERVER_ERRORS),
        "DynamoDB calls while it was away": results.faults_applied(
            "InternalServerError", service="dynamodb"
        ),
        "cancellations": done[ChaosActionKind.CANCEL],
        "messages accepted": results.message_outcomes["accepted"],
        "messages rejected": results.message_outcomes["rejected"],
        "messages without an answer": results.message_outcomes["unanswered"],
        "acts that found their worker gone": results.without_target,
        "acts whose call never came": results.unmatched,
        "clean-ups repeated": results.cleanups_repeated,
    }
    for name, count in rows.items():
        table.add_row(name, f"{count}")
    violating = len(results.violating)
    style = "bold red" if violating else ""
    table.add_row(Text("drills with a violation", style), Text(f"{violating}", style))
    return table


def violation_lines(results: RunResults, *, seed: str) -> list[str]:
    """What was violated, and how to repeat it; a line each."""
    lines = []
    for drill_result in sorted(results.violating, key=lambda v: v.drill):
        lines.append(
            f"drill {drill_result.drill} of seed {seed} ({drill_result.outcome or 'no outcome'}):"
        )
        lines += [f"  VIOLATION: {violation}" for violation in drill_result.violations]
        lines += [f"  {action}" for action in drill_result.actions]
        lines.append(f"  again: python -m bench.chaos --seed {seed} --only {drill_result.drill}")
    return lines

"""How a run of drills is shown: while it goes on, and at its end."""

from rich.table import Table
from rich.text import Text

from bench.chaos.script import ActKind
from bench.chaos.tally import Tally

_THROTTLES = ("ThrottlingException",)
_SERVER_ERRORS = ("InternalServerException",)
_LOST = ("answer-lost", "answer-cut", "drop")


def figures(tally: Tally, *, drills: int, seconds: float) -> Table:
    """The table of a run.

    Args:
        tally: what was counted so far.
        drills: how many there are in all.
        seconds: since the begin, wall-clock.
    """
    table = Table(title=f"{len(tally.verdicts)} of {drills} drills in {seconds:.0f} s")
    table.add_column("what")
    table.add_column("count", justify="right")
    for outcome, count in sorted(tally.outcomes.items()):
        table.add_row(f"drills {outcome}", f"{count}")
    done = tally.acts
    rows = {
        "workers killed (kill -9)": done[ActKind.KILL],
        "workers told to end (SIGTERM)": done[ActKind.TERMINATE],
        "restarts of Temporal": done[ActKind.RESTART_TEMPORAL],
        "network cuts between a worker and Temporal": done[ActKind.CUT_LINK],
        "breaks of all AWS connections": done[ActKind.BREAK_CONNECTIONS],
        "lost or dropped DRS answers": tally.struck(*_LOST),
        "answers held": tally.struck("hold") + tally.struck("hold", service="dynamodb"),
        "throttled DRS calls": tally.struck(*_THROTTLES),
        "5xx of DRS": tally.struck(*_SERVER_ERRORS),
        "DynamoDB calls while it was away": tally.struck("InternalServerError", service="dynamodb"),
        "cancellations": done[ActKind.CANCEL],
        "messages accepted": tally.answers["accepted"],
        "messages rejected": tally.answers["rejected"],
        "messages without an answer": tally.answers["unanswered"],
        "acts that found their worker gone": tally.missed,
        "acts whose call never came": tally.never_came,
        "clean-ups repeated": tally.cleanups_repeated,
    }
    for name, count in rows.items():
        table.add_row(name, f"{count}")
    broken = len(tally.broken)
    style = "bold red" if broken else ""
    table.add_row(Text("drills with a violation", style), Text(f"{broken}", style))
    return table


def complaints(tally: Tally, *, seed: str) -> list[str]:
    """What was violated, and how to repeat it; a line each."""
    lines = []
    for verdict in sorted(tally.broken, key=lambda v: v.drill):
        lines.append(f"drill {verdict.drill} of seed {seed} ({verdict.outcome or 'no outcome'}):")
        lines += [f"  VIOLATION: {violation}" for violation in verdict.violations]
        lines += [f"  {act}" for act in verdict.acts]
        lines.append(f"  again: python -m bench.chaos --seed {seed} --only {verdict.drill}")
    return lines

"""The table of all open decisions, which fits a screen of 80 columns."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from cli.render.cells import fit, wrapped
from cli.render.steps import manual_lines
from cli.render.tables import aligned
from client.decisions.inbox import Inbox, InboxDecision, UnreadExecution
from client.executions import last_known_text
from recovery.operator.pending_decisions import acknowledged_text
from recovery.text_format import clock_time, count, rounded_duration

_INDENT = "    "
_HEADING = ("TYPE", "PLAN", "WAVE", "TO DECIDE", "WHO HAS IT")
_NAME_WIDTH = 20
_ACTOR_WIDTH = 16


def inbox_lines(inbox: Inbox, *, now: float, width: int) -> list[str]:
    """List the open decisions, each with what happens otherwise and the commands that make it.

    Args:
        inbox: the decisions.
        now: epoch seconds.
        width: of the screen, in cells; no command is cut.
    """
    decisions = inbox.decisions
    unread = [*_unread_lines(inbox.unread, now=now, width=width)]
    if not decisions:
        return ["No decision is known to be open." if unread else _NOTHING, *unread]
    heading, *rows = aligned([_cells(each, now=now) for each in decisions], heading=_HEADING)
    executions = count(len({each.execution_id for each in decisions}), "execution")
    lines = [f"{count(len(decisions), 'open decision')} of {executions}", "", heading]
    for each, row in zip(decisions, rows, strict=True):
        lines += [row, *_details(each, now=now, width=width)]
    if any(each.acknowledged_by is None and not each.is_portfolio for each in decisions):
        lines += ["", "`drs-waves acknowledge PLAN` shows everybody that you take care of them."]
    return [*lines, *unread]


_NOTHING = "No execution waits for a decision."


def _cells(decision: InboxDecision, *, now: float) -> tuple[str, ...]:
    deadline, by = decision.deadline, decision.acknowledged_by
    left = "" if deadline is None else rounded_duration(max(0.0, deadline - now))
    return (
        decision.execution_type,
        fit(decision.plan_id, _NAME_WIDTH),
        fit(decision.wave_name or "-", _NAME_WIDTH),
        left or "no limit",
        fit(by.actor, _ACTOR_WIDTH) if by else "nobody",
    )


def _details(decision: InboxDecision, *, now: float, width: int) -> list[str]:
    manual = decision.manual
    asked = [decision.asked]
    if manual is not None:
        asked = [f"{decision.wave_name} waits for step {decision.step_id}:"]
    times = []
    if decision.since is not None:
        times.append(f"Open for {rounded_duration(now - decision.since)}")
    if decision.deadline is not None:
        times.append(f"{'until' if times else 'Until'} {clock_time(decision.deadline)}")
    texts: list[str] = []
    if decision.recorded_time is not None:
        asked.insert(0, last_known_text(decision.recorded_time, now))
    if times:
        texts.append(", ".join(times))
    if decision.acknowledged_by is not None:
        texts.append(acknowledged_text(decision.acknowledged_by))
    texts += [decision.if_unanswered, *decision.commands]
    lines = [line for text in asked for line in wrapped(text, width, indent=_INDENT)]
    lines += manual_lines(manual, width=width) if manual is not None else []
    return lines + [line for text in texts for line in wrapped(text, width, indent=_INDENT)]


def _unread_lines(unread: Sequence[UnreadExecution], *, now: float, width: int) -> Iterator[str]:
    """The executions whose state is not known, under each reason."""
    for reason, group in groupby(sorted(unread, key=_reason), key=_reason):
        executions = [*group]
        yield ""
        heading = f"STATE UNKNOWN of {count(len(executions), 'running execution')}: {reason}"
        yield from wrapped(heading, width)
        for each in executions:
            known = "nothing is recorded"
            if each.recorded_time is not None:
                open_then = count(each.decisions or 0, "open decision")
                known = f"{last_known_text(each.recorded_time, now)}: {open_then}"
            text = f"{each.execution_type} {each.execution_id}: {known}"
            yield from wrapped(text, width, indent=_INDENT)


def _reason(each: UnreadExecution) -> str:
    return each.reason

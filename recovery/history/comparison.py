"""Compares an execution in Temporal with the history, item by item.

Temporal's history is the write-ahead log: it is correct, and missing items are written from it.
Only an item that is newer than Temporal's state is not changed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from recovery.base_model import Model
from recovery.execution.state import ExecutionState, MessageRecord
from recovery.execution.wave import Decisions, WaveState
from recovery.history.record import HistoryRecord
from recovery.plan.model import RecoveryPlan

HEADER = "EXECUTION"
PLAN = "PLAN"
_PLAN_REVISION = 1
# Only the plan's workflow sets these fields; the wave's workflow, which mostly writes, does not.
_PLAN_FIELDS = {"decisions", "has_workflow", "automatic_retries", "ask_until", "unanswered_since"}
_MAX_LEAVES = 2
_SUMMARY_FIELDS = ("Status", "StatusReason", "Name", "WaveId", "Actor", "PlanId")


def wave_item(wave_id: str) -> str:
    """The key of a wave's item."""
    return f"WAVE#{wave_id}"


def decisions_item(wave_id: str) -> str:
    """The key of the item with the operators' decisions about a wave."""
    return f"DECISIONS#{wave_id}"


def message_item(number: int) -> str:
    """The key of a message's item, by its number from 0 in the execution."""
    return f"MESSAGE#{number:04}"


class Entry(Model):
    """One item of the history.

    Attributes:
        revision: increases with every change.
        content: as JSON; None where it cannot be read.
    """

    revision: int
    content: dict[str, Any] | None

    @classmethod
    def of_execution(cls, state: ExecutionState) -> "Entry":
        """The entry of an execution's header."""
        return cls(
            revision=state.revision, content=_json(state, exclude={"waves", "messages", "cleanup"})
        )

    @classmethod
    def of_plan(cls, plan: RecoveryPlan) -> "Entry":
        """The entry of the frozen plan, which never changes."""
        return cls(revision=_PLAN_REVISION, content=_json(plan))

    @classmethod
    def of_wave(cls, wave: WaveState) -> "Entry":
        """The entry of a wave."""
        return cls(revision=wave.revision, content=_json(wave, exclude=_PLAN_FIELDS))

    @classmethod
    def of_decisions(cls, decisions: Decisions, revision: int) -> "Entry":
        """The entry of the operators' decisions about a wave."""
        return cls(revision=revision, content=_json(decisions))

    @classmethod
    def of_message(cls, message: MessageRecord) -> "Entry":
        """The entry of an operator's message."""
        return cls(revision=message.revision, content=_json(message))


class TemporalState(Model):
    """An execution in Temporal.

    Attributes:
        state: from the plan's workflow.
        plan: the frozen plan.
        waves: by WaveId, the state from the wave's own workflow, where that could be queried.
        is_closed: whether the plan's workflow has ended.
    """

    state: ExecutionState
    plan: RecoveryPlan
    waves: dict[str, WaveState] = {}
    is_closed: bool

    @property
    def has_started(self) -> bool:
        """Whether there is anything to record: a refused recovery has not started."""
        ran = any(wave.attempt for wave in self.state.waves)
        return ran or not self.is_closed or self.state.end_time is not None

    def wave(self, planned: WaveState) -> WaveState:
        """The newest state of a wave: its own workflow's or this one, from the plan's."""
        own = self.waves.get(planned.wave_id)
        return planned if own is None or own.revision < planned.revision else own

    def may_be_outdated(self, item: str) -> bool:
        """Whether the history may correctly be newer than the state read from Temporal."""
        wave_id = item.partition("#")[2]
        if not self.is_closed:
            return True
        if item != wave_item(wave_id):
            return False
        own = self.waves.get(wave_id)
        return own is None or _is_observed(own)


class DifferenceKind(StrEnum):
    """How an item of the history differs from Temporal's state."""

    MISSING = "MISSING"
    OUTDATED = "OUTDATED"
    ALTERED = "ALTERED"
    NEWER = "NEWER"
    UNKNOWN = "UNKNOWN"


class Difference(Model):
    """An item that differs.

    Attributes:
        item: its key in the history.
        kind: how it differs; UNKNOWN is an item that Temporal does not have.
        temporal: what Temporal has, in short.
        dynamodb: what the history has, in short.
        is_expected: the history may correctly be newer here, so this is no error.
        is_repaired: the item was written again, and read back as in Temporal.
    """

    item: str
    kind: DifferenceKind
    temporal: str
    dynamodb: str
    is_expected: bool = False
    is_repaired: bool = False

    @property
    def can_be_repaired(self) -> bool:
        """Whether writing Temporal's state repairs it."""
        return self.kind not in (DifferenceKind.NEWER, DifferenceKind.UNKNOWN)

    @property
    def is_settled(self) -> bool:
        """Whether it needs no further action."""
        return self.is_expected or self.is_repaired


def compare(temporal_state: TemporalState, recorded: Mapping[str, Entry]) -> list[Difference]:
    """List how the history differs from Temporal's state.

    Args:
        temporal_state: the execution in Temporal.
        recorded: the items of the history, by key; those of other kinds are ignored.

    Returns:
        A difference an item, in the order of the header, the plan, its waves and the messages;
        then what only the history has.
    """
    if not temporal_state.has_started and not recorded:
        return []
    expected = list(_expected(temporal_state))
    found = [_difference(temporal_state, each, recorded.get(each.item)) for each in expected]
    known = {each.item for each in expected}
    unknown = [
        Difference(
            item=item,
            kind=DifferenceKind.UNKNOWN,
            temporal="not known",
            dynamodb=_summary(entry),
            is_expected=temporal_state.may_be_outdated(item),
        )
        for item, entry in recorded.items()
        if item not in known
    ]
    return [each for each in found if each is not None] + unknown


def repair_record(temporal_state: TemporalState, items: Iterable[str]) -> HistoryRecord:
    """The record that makes these items agree with Temporal's state."""
    wanted = set(items)
    state = temporal_state.state
    decided = {w.wave_id: w.decisions for w in state.waves if decisions_item(w.wave_id) in wanted}
    return HistoryRecord(
        execution_id=state.execution_id,
        execution=state.without_waves() if HEADER in wanted else None,
        plan=temporal_state.plan if PLAN in wanted else None,
        waves=[temporal_state.wave(w) for w in state.waves if wave_item(w.wave_id) in wanted],
        decisions=decided,
        decisions_revision=state.revision,
        messages={n: m for n, m in enumerate(state.messages) if message_item(n) in wanted},
    )


class _Expected(NamedTuple):
    """The expected content of an item.

    Attributes:
        entries: the contents that agree; a repair writes the first one.
        is_required: whether the history is incomplete without it.
    """

    item: str
    entries: list[Entry]
    is_required: bool = True


def _expected(temporal_state: TemporalState) -> Iterator[_Expected]:
    state = temporal_state.state
    yield _Expected(HEADER, [Entry.of_execution(state)])
    yield _Expected(PLAN, [Entry.of_plan(temporal_state.plan)])
    for wave in state.waves:
        newest = temporal_state.wave(wave)
        # At one revision, the plan's workflow and the wave's may both have written it.
        both = [newest, *([wave] if wave.revision == newest.revision else [])]
        # A wave that never started can be read as PENDING from the plan.
        is_needed = wave.status.is_settled or wave.attempt > 0
        yield _Expected(wave_item(wave.wave_id), [Entry.of_wave(each) for each in both], is_needed)
    for wave in state.waves:
        entry = Entry.of_decisions(wave.decisions, state.revision)
        decided = wave.decisions != Decisions()
        yield _Expected(decisions_item(wave.wave_id), [entry], decided)
    for number, message in enumerate(state.messages):
        yield _Expected(message_item(number), [Entry.of_message(message)])


def _difference(
    temporal_state: TemporalState, expected: _Expected, recorded: Entry | None
) -> Difference | None:
    item, wanted = expected.item, expected.entries[0]
    if recorded is None:
        if not expected.is_required:
            return None
        kind, known, found = DifferenceKind.MISSING, _summary(wanted), "missing"
    elif recorded.content is None:
        kind, known, found = DifferenceKind.ALTERED, _summary(wanted), "cannot be read"
    elif any(recorded.content == each.content for each in expected.entries):
        return None
    else:
        known, found = _changed(wanted.content, recorded.content)
        kind = DifferenceKind.ALTERED
        if recorded.revision != wanted.revision:
            is_older = recorded.revision < wanted.revision
            kind = DifferenceKind.OUTDATED if is_older else DifferenceKind.NEWER
    is_expected = kind is DifferenceKind.NEWER and temporal_state.may_be_outdated(item)
    return Difference(item=item, kind=kind, temporal=known, dynamodb=found, is_expected=is_expected)


def _is_observed(wave: WaveState) -> bool:
    """Whether a wave's workflow may still write, because some servers are not final."""
    return any(not s.is_final or s.is_unverified for s in wave.servers)


def _changed(wanted: Any, recorded: Any) -> tuple[str, str]:
    """The values that differ, in short, on either side."""
    known, found = _leaves(wanted), _leaves(recorded)
    paths = [path for path in {**known, **found} if known.get(path) != found.get(path)]
    # If anything else differs too, the revision comes last.
    paths.sort(key=lambda path: path == "Revision")
    known_text = _joined({path: known.get(path, "none") for path in paths})
    return known_text, _joined({path: found.get(path, "none") for path in paths})


def _summary(entry: Entry) -> str:
    """A short description of an item, from its first known fields."""
    if entry.content is None:
        return "cannot be read"
    text = {key: str(entry.content[key]) for key in _SUMMARY_FIELDS if entry.content.get(key)}
    return _joined(dict(list(text.items())[:_MAX_LEAVES]))


def _leaves(value: Any, path: str = "") -> dict[str, str]:
    """Each plain value of nested JSON by its path, as `Servers[0].LaunchStatus`."""
    if isinstance(value, dict):
        parts = [(f"{path}.{key}" if path else str(key), each) for key, each in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{number}]", each) for number, each in enumerate(value)]
    else:
        plain = isinstance(value, str) and value
        return {path: value if plain else json.dumps(value)} if path else {}
    return {leaf: text for name, each in parts for leaf, text in _leaves(each, name).items()}


def _joined(leaves: Mapping[str, str]) -> str:
    shown = ", ".join(f"{path} {text}" for path, text in list(leaves.items())[:_MAX_LEAVES])
    more = len(leaves) - _MAX_LEAVES
    return f"{shown} and {more} more" if more > 0 else shown


def _json(model: Model, *, exclude: Iterable[str] = ()) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_none=True, exclude=set(exclude))

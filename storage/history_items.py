"""Converts records to items of the history table, and items to models.

An execution has one `EXECUTION` (the header), `PLAN#0000`… (the frozen plan in chunks),
`WAVE#<WaveId>`, `DECISIONS#<WaveId>` (the operators' decisions about a wave), `MESSAGE#0000`… (one
message each), `CLEANUP#0000`… (some of the instances each) and `NOTIFICATION#…` (one sent message
each). This keeps a plan of 1,000 waves and 4,000 servers below DynamoDB's limit of 400 KB per item.
Each has a revision, and a higher one is newer.

A wave's item has its steps; those of a large wave are in `STEPS#<WaveId>#0000`…, some in each,
which are written before it. Outputs and what a step replaced are JSON as text: DynamoDB takes no
empty keys, no numbers of 39 digits and no deep nesting, and no such value may stop a record.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord
from recovery.execution.unlaunched_waves import UnlaunchedWaves
from recovery.execution.wave import Decisions, WaveState
from recovery.history.comparison import HEADER, PLAN, Entry, decisions_item, message_item, wave_item
from recovery.history.record import HistoryRecord
from recovery.notify.notifier_state import DeliveryRecord
from recovery.plan.model import RecoveryPlan
from recovery.steps.replaced import StepRevert
from recovery.steps.state import StepState
from storage.dynamodb import Item, plain_item, read_item

_CLEANUP = "CLEANUP"
_NOTIFICATION = "NOTIFICATION"
_CHUNK_CHARACTERS = 100_000
_INSTANCES_PER_ITEM = 500
_STEPS = "STEPS"
# A step has up to 4 KB of outputs, a record of Route 53 that it replaced, and, while it can be
# completed, an instruction: up to 40 KB.
_STEPS_PER_ITEM = 8
_SERVERS_BESIDE_STEPS = 100
_JSON_FIELDS = ("Outputs", "Before")
_REVERT = "REVERT"
_REVERT_FIELDS = ("Replaced", "PutBack")


def items_of(record: HistoryRecord) -> Iterator[dict[str, Any]]:
    """The items that hold a record."""
    own = {"ExecutionId": record.execution_id}
    if record.plan is not None:
        text = record.plan.model_dump_json(exclude_none=True)
        for number, start in enumerate(range(0, len(text), _CHUNK_CHARACTERS)):
            chunk = text[start : start + _CHUNK_CHARACTERS]
            yield own | {"Item": f"{PLAN}#{number:04}", "Revision": 1, "Text": chunk}
    for wave in record.waves:
        yield from (own | item for item in _wave_items(wave))
    for wave_id, decisions in record.decisions.items():
        key = {"Item": decisions_item(wave_id), "Revision": record.decisions_revision}
        yield own | plain_item(decisions) | key
    for number, message in record.messages.items():
        yield (
            own | plain_item(message) | {"Item": message_item(number), "Revision": message.revision}
        )
    if record.cleanup is not None:
        for number, part in enumerate(_parts_of(record.cleanup)):
            yield plain_item(part) | {"Item": f"{_CLEANUP}#{number:04}"}
    for revert in record.reverts:
        yield own | _revert_item(revert)
    if record.execution is not None:
        header = plain_item(record.execution, leave_out={"waves", "messages", "cleanup"})
        yield header | {"Item": HEADER, "Kind": HEADER}


def _wave_items(wave: WaveState) -> Iterator[dict[str, Any]]:
    """The items of a wave; steps that have no room beside it come first."""
    item = {"Item": wave_item(wave.wave_id)} | plain_item(wave, leave_out={"decisions", "steps"})
    steps = [_with_text(step) for step in wave.steps]
    if len(steps) <= _STEPS_PER_ITEM and len(wave.servers) <= _SERVERS_BESIDE_STEPS:
        yield item | {"Steps": steps}
        return
    for number, start in enumerate(range(0, len(steps), _STEPS_PER_ITEM)):
        key = {"Item": f"{_STEPS}#{wave.wave_id}#{number:04}", "Revision": wave.revision}
        yield key | {"Steps": steps[start : start + _STEPS_PER_ITEM]}
    yield item


def is_written_first(item: Item) -> bool:
    """Whether an item is written before the others of its record."""
    return _kind(item) == _STEPS


def _with_text(step: StepState) -> dict[str, Any]:
    item = plain_item(step, leave_out={"outputs", "before", "reverts"})
    values = {"Outputs": step.outputs or None, "Before": step.before}
    return item | {name: json.dumps(each) for name, each in values.items() if each is not None}


def _with_steps(items: Sequence[Item]) -> list[Item]:
    """The items, those of waves with all their steps as they were."""
    found = _by_kind(items)
    apart: dict[str, list[Any]] = {}
    for part in sorted(found.pop(_STEPS, []), key=lambda item: str(item["Item"])):
        apart.setdefault(_name(part).rpartition("#")[0], []).extend(part["Steps"])
    for number, item in enumerate(waves := found.get("WAVE", [])):
        steps = item.get("Steps") or apart.get(_name(item), [])
        waves[number] = {**item, "Steps": [_from_text(step) for step in steps]}
    return [item for kind in found.values() for item in kind]


def _from_text(step: Any) -> Any:
    """A step with its values; as it is where these cannot be read."""
    try:
        values = {name: json.loads(step[name]) for name in _JSON_FIELDS if name in step}
    except (TypeError, ValueError):
        return step
    return {**step, **values}


def _revert_item(revert: StepRevert) -> dict[str, Any]:
    revision = int(revert.time * 1000)
    key = f"{_REVERT}#{revert.wave_id}/{revert.step_id}#{revision:014}"
    values = {"Replaced": json.dumps(revert.replaced), "PutBack": json.dumps(revert.put_back)}
    item = plain_item(revert, leave_out={"replaced", "put_back"}) | values
    return item | {"Item": key, "Revision": revision}


def reverts_of(items: Sequence[Item]) -> list[StepRevert]:
    """What was put back of what an execution's steps replaced.

    Raises:
        pydantic.ValidationError: an item is invalid.
    """
    found = _by_kind(items).get(_REVERT, [])
    return [
        read_item(StepRevert, {**item, **{name: json.loads(item[name]) for name in _REVERT_FIELDS}})
        for item in found
    ]


def execution_of(items: Sequence[Item], plan: RecoveryPlan) -> ExecutionState:
    """An execution, read from its items.

    Args:
        items: all items of the execution, including its header.
        plan: its frozen plan, for the waves that were never written.

    Raises:
        pydantic.ValidationError: an item is invalid.
    """
    of_kind = _by_kind(_with_steps(items))
    waves = {
        wave.wave_id: wave for wave in (read_item(WaveState, i) for i in of_kind.get("WAVE", []))
    }
    state = header_of(of_kind[HEADER][0])
    is_drill = state.execution_type is ExecutionType.DRILL
    state.waves = [
        waves.get(w.wave_id)
        or WaveState.of(w, is_drill=is_drill, drill_settings=plan.drill_launch_settings)
        for w in plan.waves
    ]
    decided = {_name(item): item for item in of_kind.get("DECISIONS", [])}
    for wave in state.waves:
        if wave.wave_id in decided:
            wave.decisions = read_item(Decisions, decided[wave.wave_id])
    state.messages = [read_item(MessageRecord, item) for item in of_kind.get("MESSAGE", [])]
    if parts := of_kind.get(_CLEANUP):
        state.cleanup = _joined([read_item(CleanupState, part) for part in parts])
    unwritten = tuple(w.wave_id for w in plan.waves if w.wave_id not in waves)
    UnlaunchedWaves(plan, state).update(unwritten, now=0.0)
    return state.with_reverts(reverts_of(items))


def delivery_item(execution_id: str, record: DeliveryRecord) -> dict[str, Any]:
    """The item of a message about an execution."""
    key = f"{_NOTIFICATION}#{record.notification_id}"
    return plain_item(record) | {"ExecutionId": execution_id, "Item": key}


def deliveries_of(items: Sequence[Item]) -> list[DeliveryRecord]:
    """The messages about an execution, the oldest first.

    Raises:
        pydantic.ValidationError: an item is invalid.
    """
    found = [read_item(DeliveryRecord, item) for item in _by_kind(items).get(_NOTIFICATION, [])]
    return sorted(found, key=lambda record: record.time)


def _parts_of(cleanup: CleanupState) -> Iterator[CleanupState]:
    most = max(1, len(cleanup.terminated), len(cleanup.leftovers))
    for start in range(0, most, _INSTANCES_PER_ITEM):
        some = slice(start, start + _INSTANCES_PER_ITEM)
        yield cleanup.model_copy(
            update={"terminated": cleanup.terminated[some], "leftovers": cleanup.leftovers[some]}
        )


def _joined(parts: Sequence[CleanupState]) -> CleanupState:
    newest = max(parts, key=lambda part: part.revision)
    current = [part for part in parts if part.revision == newest.revision]
    return newest.model_copy(
        update={
            "terminated": [each for part in current for each in part.terminated],
            "leftovers": [each for part in current for each in part.leftovers],
        }
    )


def header_of(item: Item) -> ExecutionState:
    """An execution without its waves, from its header."""
    return read_item(ExecutionState, item)


def frozen_plan_of(items: Sequence[Item]) -> RecoveryPlan | None:
    """The frozen plan; None where there is none.

    Raises:
        pydantic.ValidationError: it is incomplete.
    """
    chunks = _by_kind(items).get(PLAN)
    if not chunks:
        return None
    return RecoveryPlan.model_validate_json("".join(str(chunk.get("Text")) for chunk in chunks))


def entries_of(items: Sequence[Item]) -> dict[str, Entry]:
    """By key, the items to compare with Temporal's state; the plan's chunks are one item."""
    known = _with_steps(items)
    entries = {str(item["Item"]): _entry(item) for item in known if _kind(item) in _READERS}
    if any(_kind(item) == PLAN for item in items):
        entries[PLAN] = Entry(revision=1, content=None)
        with suppress(ValidationError):
            if plan := frozen_plan_of(items):
                entries[PLAN] = Entry.of_plan(plan)
    return entries


def _entry(item: Item) -> Entry:
    revision = item.get("Revision")
    number = int(revision) if isinstance(revision, Decimal) else 0
    try:
        return _READERS[_kind(item)](item, number)
    except ValidationError:
        return Entry(revision=number, content=None)


def _header_entry(item: Item, revision: int) -> Entry:
    # Only an item of this Kind is in the index that lists executions.
    if item.get("Kind") != HEADER:
        return Entry(revision=revision, content=None)
    return Entry.of_execution(header_of(item))


_READERS: dict[str, Callable[[Item, int], Entry]] = {
    HEADER: _header_entry,
    "WAVE": lambda item, _: Entry.of_wave(read_item(WaveState, item)),
    "DECISIONS": lambda item, revision: Entry.of_decisions(read_item(Decisions, item), revision),
    "MESSAGE": lambda item, _: Entry.of_message(read_item(MessageRecord, item)),
}


def _by_kind(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(_kind(item), []).append(item)
    return found


def _kind(item: Item) -> str:
    return str(item["Item"]).partition("#")[0]


def _name(item: Item) -> str:
    return str(item["Item"]).partition("#")[2]

"""What earlier versions sent loads into the models of today, and what later ones send will."""

import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError
from temporalio.contrib.pydantic import pydantic_data_converter

from contract.cleanup import StartCleanup
from contract.execution import StartExecution
from contract.launch import LaunchMemory, LaunchWaits
from contract.watch import WatchMemory, WatchNews
from contract.wave import StopWaiting
from recovery.base_model import Model
from recovery.execution.state import WaveOutcome
from recovery.execution.wave import WaveReport
from runtime.worker import WORKFLOWS
from tests.recovery.plans import diamond

RECORDED = json.loads((Path(__file__).parent / "recorded_inputs.json").read_text())
# People write these by hand, where a key that is ignored is a promise that is not kept.
BY_HAND = (StartExecution, StartCleanup)
# Keys that today's models no longer have, each given up on purpose.
GIVEN_UP = ("TookOver", "LookUntil")
SIGNALS = {
    "wave_report": WaveReport,
    "watch_news": WatchNews,
    "launch_waits": LaunchWaits,
    "stop_waiting": StopWaiting,
}
HEARTBEATS = {"LaunchMemory": LaunchMemory, "WatchMemory": WatchMemory}


def hints(function: Callable[..., Any]) -> tuple[list[Any], Any]:
    """The types of a function's inputs, `self` left aside, and of its result."""
    known = get_type_hints(function)
    inputs = [known[name] for name in inspect.signature(function).parameters if name != "self"]
    return inputs, known["return"]


def activities() -> dict[str, Callable[..., Any]]:
    """All activities that our workflows can name, by name."""
    found: dict[str, Callable[..., Any]] = {}
    folder = Path(__file__).parents[2]
    for path in sorted((folder / "activities").rglob("*.py")):
        module = importlib.import_module(".".join(path.relative_to(folder).with_suffix("").parts))
        for _, kind in inspect.getmembers(module, inspect.isclass):
            for name, function in inspect.getmembers(kind, inspect.isfunction):
                if hasattr(function, "__temporal_activity_definition"):
                    found[name] = function
    return found


def runs() -> dict[str, Callable[..., Any]]:
    """What each workflow runs, by the workflow's name."""
    return {kind.__name__: kind.run for kind in WORKFLOWS}


def types_of(kind: str, name: str) -> Any:
    """The type that a recorded value must load into."""
    whose, _, part = kind.partition(" ")
    if whose in ("workflow", "activity"):
        inputs, result = hints((runs() if whose == "workflow" else activities())[name])
        return inputs[0] if part == "input" else result
    return (SIGNALS | HEARTBEATS).get(name, WaveOutcome)


@pytest.mark.parametrize(
    "recorded", RECORDED, ids=[f"{n}-{r['Kind']}-{r['Name']}" for n, r in enumerate(RECORDED)]
)
async def test_what_an_earlier_version_sent_still_loads(recorded: dict[str, Any]) -> None:
    hint = types_of(recorded["Kind"], recorded["Name"])
    payloads = await pydantic_data_converter.encode([recorded["Value"]])
    (loaded,) = await pydantic_data_converter.decode(payloads, [hint])
    told = json.loads(TypeAdapter(hint).dump_json(loaded, by_alias=True))
    assert_kept(recorded["Value"], told)


def assert_kept(recorded: Any, told: Any) -> None:
    """Nothing that was recorded is lost or changed on the way."""
    match recorded:
        case dict():
            for key in recorded.keys() - set(GIVEN_UP):
                assert_kept(recorded[key], told[key])
        case list():
            assert len(recorded) == len(told)
            for before, after in zip(recorded, told, strict=True):
                assert_kept(before, after)
        case _:
            assert recorded == told


def models_in(hint: Any) -> Iterator[type[Model]]:
    """The models that a type consists of; what is written by hand is not one of them."""
    if inspect.isclass(hint) and issubclass(hint, Model):
        if hint not in BY_HAND:
            yield hint
        for field in hint.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(hint):
        yield from models_in(part)


def wire_models() -> list[type[Model]]:
    """All models that travel between our own workflows and activities."""
    functions = [*activities().values(), *runs().values()]
    travelling = [*SIGNALS.values(), *HEARTBEATS.values(), WaveOutcome]
    told = [hint for f in functions for inputs, result in [hints(f)] for hint in (*inputs, result)]
    found = dict.fromkeys(model for hint in (*told, *travelling) for model in models_in(hint))
    return sorted(found, key=lambda model: model.__name__)


def test_the_models_that_travel_are_found() -> None:
    names = {model.__name__ for model in wire_models()}
    assert {"StartWave", "LaunchRequest", "WatchMemory", "HistoryRecord", "CleanupScope"} <= names


@pytest.mark.parametrize("model", wire_models(), ids=lambda model: model.__name__)
def test_a_key_that_a_later_version_adds_is_left_aside(model: type[Model]) -> None:
    try:
        model.model_validate({"AddedLater": {"Anything": [1, None]}})
        problems = []
    except ValidationError as error:
        problems = error.errors()
    assert "extra_forbidden" not in [problem["type"] for problem in problems]


@pytest.mark.parametrize("model", BY_HAND, ids=lambda model: model.__name__)
def test_an_unknown_key_that_a_person_wrote_is_refused(model: type[Model]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model.model_validate({"AddedLater": 1})


@pytest.mark.parametrize("place", ["plan", "wave", "server", "dependency"])
def test_an_unknown_key_deep_in_a_plan_that_a_person_started_is_refused(place: str) -> None:
    plan = json.loads(diamond().model_dump_json())
    wave = plan["Waves"][-1]
    there = {"plan": plan, "wave": wave, "server": wave["Servers"][0],
             "dependency": wave["Dependencies"][0]}[place]  # fmt: skip
    start = {"ExecutionId": "crm-1", "Plan": plan}
    assert StartExecution.model_validate(start)
    there["Retrys"] = 2
    with pytest.raises(ValidationError, match="Retrys"):
        StartExecution.model_validate(start)


def test_every_workflow_and_activity_takes_models_that_are_recorded() -> None:
    """A new one needs a recorded input as soon as its version was released."""
    recorded = {(r["Kind"], r["Name"]) for r in RECORDED}
    released = {"launch", "watch", "review", "record", "look_at_targets", "await_end"}
    assert {("activity input", name) for name in released} <= recorded
    assert {("workflow input", name) for name in ("RecoveryPlanWorkflow", "WaveWorkflow")} <= (
        recorded
    )

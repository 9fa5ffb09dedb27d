"""What travels between our workflows and activities: it may grow; what people write may not."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ValidationError

import activities
import contract
from contract.cleanup import StartCleanup
from contract.execution import StartExecution
from contract.launch import LaunchRequest
from contract.launch_settings.apply import StartApply
from contract.wave import WaveInput
from recovery.base_model import Model, StrictModel
from runtime.worker import WORKFLOWS
from tests.recovery.plans import diamond

# People write these by hand, where a key that is ignored is a promise that is not kept.
BY_HAND = (StartExecution, StartCleanup, StartApply)


def modules_of(package: Any) -> Iterator[Any]:
    """All modules of a package, at any depth."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def entry_points() -> Iterator[Callable[..., Any]]:
    """Our activities, and what each of our workflows runs."""
    for module in modules_of(activities):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            for _, function in inspect.getmembers(kind, inspect.isfunction):
                if hasattr(function, "__temporal_activity_definition"):
                    yield function
    for workflow in WORKFLOWS:
        yield workflow.run


def models_in(hint: Any) -> Iterator[type[Model]]:
    """The models of a type, and those inside them, but for what people write by hand."""
    if inspect.isclass(hint) and issubclass(hint, Model):
        if hint not in BY_HAND:
            yield hint
        for field in hint.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(hint):
        yield from models_in(part)


def wire_models() -> list[type[Model]]:
    """All models that travel: inputs and results, signals, and what heartbeats carry."""
    hints = [hint for function in entry_points() for hint in get_type_hints(function).values()]
    for module in modules_of(contract):
        # Signals take what anybody sends, so their models are not in their types.
        hints += [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
    found = {model for hint in hints for model in models_in(hint)} - {Model, StrictModel}
    return sorted(found, key=lambda model: model.__name__)


def test_the_models_of_the_wire_are_found() -> None:
    names = {model.__name__ for model in wire_models()}
    assert names >= {
        "WaveInput",
        "BatchRequest",
        "BatchResult",
        "BatchProgress",
        "WatchHeartbeat",
        "RunningJobs",
        "LaunchQueueState",
        "HistoryRecord",
        "CleanupScope",
    }


@pytest.mark.parametrize("model", wire_models(), ids=lambda model: model.__name__)
def test_a_key_that_a_later_version_adds_is_ignored(model: type[Model]) -> None:
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
    there = {
        "plan": plan,
        "wave": wave,
        "server": wave["Servers"][0],
        "dependency": wave["Dependencies"][0],
    }[place]
    start = {"ExecutionId": "crm-1", "Plan": plan}
    assert StartExecution.model_validate(start)
    there["Retrys"] = 2
    with pytest.raises(ValidationError, match="Retrys"):
        StartExecution.model_validate(start)


def test_a_launch_carries_no_signed_messages_of_which_a_launcher_holds_a_thousand() -> None:
    carried = {"retried_by", "approved_by"}
    assert carried <= set(WaveInput.model_fields)
    assert not carried & set(LaunchRequest.model_fields)

"""The JSON Schema of plan files and the reader agree."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from recovery.plan.file.keys import KINDS, LEVELS, level_of
from recovery.plan.file.reader import PlanError
from recovery.plan.file.writer import plan_text
from recovery.plan.file_schema import plan_file_schema
from recovery.plan.model import RecoveryPlan
from recovery.steps.model import ManualInput, StepOutput
from tests.examples import examples
from tests.recovery.plan.file.test_steps import MISTAKES
from tests.recovery.step_plans import all_kinds, plan_with_steps, plans_with_steps, read

ROOT = Path(__file__).parents[3]
SCHEMA = plan_file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PLANS = sorted(p for p in (ROOT / "examples").glob("*.yaml") if "PlanId:" in p.read_text())
WHOLE = plan_with_steps(all_kinds(), cutover=all_kinds()[:3])
# What only the reader says: what depends on other values.
_BEYOND = {
    "two kinds of one step", "account of another role", "unknown Region", "input twice",
    "time-out of a manual step", "retries of a manual step", "outputs of a check",
    "stop of what cannot be stopped", "servers and a host", "a server twice",
    "no server of the plan", "server of a parallel wave", "command on another wave's server",
}  # fmt: skip


def takes(content: Any) -> bool:
    return bool(VALIDATOR.is_valid(content))


def is_read(content: dict[str, Any]) -> bool:
    try:
        read(content)
    except PlanError:
        return False
    return True


def test_it_is_a_schema_with_a_definition_of_each_mapping() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    levels = [*LEVELS, *map(level_of, (*KINDS.values(), StepOutput, ManualInput))]
    assert len(SCHEMA["$defs"]) == len(levels) - 1
    for each in (SCHEMA, *SCHEMA["$defs"].values()):
        assert all(value["description"] for value in each["properties"].values())


def test_the_document_is_what_the_models_say() -> None:
    written = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
    assert written == json.loads(json.dumps(SCHEMA)), "make references"


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_it_takes_the_examples(path: Path) -> None:
    assert takes(yaml.safe_load(path.read_text()))


@given(plans_with_steps())
def test_it_takes_what_the_writer_writes(plan: RecoveryPlan) -> None:
    assert takes(yaml.safe_load(plan_text(plan)))
    assert takes(json.loads(plan.model_dump_json()))


@pytest.mark.parametrize("name", [each for each in MISTAKES if each not in _BEYOND])
def test_it_refuses_mistakes_while_typing(name: str) -> None:
    content = plan_with_steps([MISTAKES[name][0]])
    assert not takes(content)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a file."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    entries = value.items() if isinstance(value, dict) else ()
    return [path, *(found for key, each in entries for found in places(each, (*path, key)))]


def at(path: tuple[Any, ...]) -> Any:
    value: Any = WHOLE
    for key in path:
        value = value[key]
    return copy.deepcopy(value)


PLACES = [path for path in places(WHOLE) if path]
KEYS = sorted({str(path[-1]) for path in PLACES} | set(KINDS) | {"Outputs", "Zzz", "Retries"})
VALUES = (
    st.none() | st.booleans() | st.integers(-2, 700_000) | st.floats(allow_nan=False)
    | st.text(max_size=6) | st.sampled_from([[], {}, [1], {"a": "b"}, ["a"], {"Name": "n"}])
    | st.sampled_from(PLACES).map(at)
)  # fmt: skip
CHANGES = st.sampled_from(["set", "remove", "add"])


@examples(300)
@given(st.sampled_from(PLACES), CHANGES, st.sampled_from(KEYS), VALUES)
def test_what_the_reader_takes_the_schema_takes(
    path: tuple[Any, ...], how: str, key: str, value: Any
) -> None:
    content = copy.deepcopy(WHOLE)
    parent: Any = content
    for each in path[:-1]:
        parent = parent[each]
    if how == "set":
        parent[path[-1]] = value
    elif how == "remove":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[key] = value
    else:
        parent.append(value)
    if is_read(content):
        assert takes(content)

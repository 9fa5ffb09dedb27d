"""Whatever is given as a plan file: a plan, or PlanError with a sentence. Never a traceback."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from recovery.plan.file.keys import PLAN_KEYS, STEP, WAVE_KEYS
from recovery.plan.file.reader import PlanError, Problem, parse_plan, read_plan
from recovery.plan.model import RecoveryPlan
from tests.recovery.plans import KNOWN_REGIONS, diamond, recovery_plans, server_id

FILES = st.sampled_from(["plan.yaml", "plan.json", "plan"])


def refused_or_runnable(text: str, file: str) -> None:
    plan: RecoveryPlan | None = None
    problems: tuple[Problem, ...] = ()
    try:
        plan = parse_plan(text, file=file, regions=KNOWN_REGIONS).plan
    except PlanError as error:
        problems = error.problems
    assert (plan is None) == bool(problems)
    for problem in problems:
        assert str(problem).isprintable()
        assert str(problem).encode()
    if plan is not None:
        # What is accepted can be written down, hashed and read again.
        again = parse_plan(plan.model_dump_json(), file="plan.json", regions=KNOWN_REGIONS).plan
        assert again.plan_hash == plan.plan_hash
        assert len(plan.graph.order()) == len(plan.waves)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["crm", "db-1", "us-west-2", server_id(1), server_id(2), "x-1", "ASK", "\ud800", "\x1b[2J"]
    )
)
KEYS = st.sampled_from(
    [
        *PLAN_KEYS,
        *WAVE_KEYS,
        *STEP.keys,
        "Payload",
        "Port",
        "SourceServerId",
        "Impact",
        "DependsOnWaveId",
        "WaveID",
        "<<",
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(st.text(), FILES)
@example("", "plan.yaml")
@example(" \n", "plan.json")
@example("\x00", "plan.yaml")
@example("\ud800", "plan.yaml")
@example("\ufffe", "plan.yaml")
@example("1: 2: 3", "plan.yaml")
@example("? [a]\n: b", "plan.yaml")
@example("*a", "plan.yaml")
@example("<<: 1", "plan.yaml")
@example("%YAML 9.9\n---\na: b", "plan.yaml")
@example("PlanId: !!int abc", "plan.yaml")
@example("PlanId: 2024-99-99", "plan.yaml")
@example("RTO: 0x" + "f" * 5000, "plan.yaml")
@example("RTO: " + "9" * 5000, "plan.yaml")
@example('{"RTO": ' + "9" * 5000 + "}", "plan.json")
@example('{"RTO": NaN}', "plan.json")
@example('{"RTO": 1e999, "PlanId": "\\ud800"}', "plan.json")
@example('{"\\ud800": 1}', "plan.json")
def test_any_invalid_text_is_refused_with_a_message(text: str, file: str) -> None:
    refused_or_runnable(text, file)


@given(st.text(alphabet="{}[]:,-&*!|>'\"%@`#?<~ \n\tab01", max_size=60), FILES)
def test_any_punctuation_is_refused_with_a_message(text: str, file: str) -> None:
    refused_or_runnable(text, file)


@given(ANYTHING, FILES)
def test_any_invalid_structure_is_refused_with_a_message(value: Any, file: str) -> None:
    refused_or_runnable(json.dumps(value), file)


@given(st.data())
def test_a_plan_with_any_invalid_value_is_refused_with_a_message(data: st.DataObject) -> None:
    content = json.loads(diamond().model_dump_json())
    place: Any = content
    while True:
        at = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        if not isinstance(place[at], dict | list) or not place[at] or data.draw(st.booleans()):
            break
        place = place[at]
    place[at] = data.draw(ANYTHING)
    refused_or_runnable(json.dumps(content), data.draw(FILES))


@given(recovery_plans(), st.data())
def test_a_damaged_file_is_refused_with_a_message(plan: RecoveryPlan, data: st.DataObject) -> None:
    text = yaml.safe_dump(json.loads(plan.model_dump_json()))
    cut = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 40))
    refused_or_runnable(
        text[:cut] + data.draw(st.text(max_size=3)) + text[cut + length :], "p.yaml"
    )


def only_problem_of(text: str, file: str = "plan.yaml") -> Problem:
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file=file, regions=KNOWN_REGIONS)
    (problem,) = caught.value.problems
    return problem


ALIAS_BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)

UNREADABLE = {
    "empty": ("", None, "empty"),
    "comments only": ("# nothing\n", None, "empty"),
    "list": ("- a\n", 1, "the file holds a list"),
    "text": ("hello\n", 1, "the file holds text"),
    "broken YAML": ("PlanId: crm\nWaves: [\n", 2, "not valid YAML"),
    "tab": ("PlanId: crm\nWaves:\n\t- WaveId: a\n", 3, "not valid YAML"),
    "two documents": ("PlanId: a\n---\nPlanId: b\n", 2, "one plan to a file"),
    "alias bomb": (ALIAS_BOMB, 7, "more than 500,000 values"),
    "alias of itself": ("PlanId: crm\nWaves: &a [*a]\n", 2, "inside the value it stands for"),
    "alias of nothing": ("PlanId: *a\n", 1, "has no &a before it"),
    "deep YAML": ("[" * 100_000, 1, "nested more than 50 deep"),
    "deep blocks": ("".join(f"{' ' * n}a:\n" for n in range(99)), 51, "nested more than 50"),
    "Python object": ("PlanId: !!python/object:os.system {}\n", 1, "tag"),
    "binary": ("PK\x03\x04\x00", 1, "control character (U+0003)"),
    "too large": ("# " + "x" * 5_000_001, None, "larger than 5 MB"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_text_that_is_no_plan_at_all_is_one_problem(what: str) -> None:
    text, line, words = UNREADABLE[what]
    problem = only_problem_of(text)
    assert problem.line == line
    assert words in problem.message


def test_json_must_be_strict_json_in_a_json_file() -> None:
    problem = only_problem_of('{\n  "PlanId": "crm",\n}', "plan.json")
    assert problem.line == 3
    assert "not valid JSON" in problem.message
    assert "column" in problem.message
    assert "not valid JSON" in only_problem_of("PlanId: crm", "plan.json").message
    assert "nested" in only_problem_of("[" * 100_000 + "]" * 100_000, "plan.json").message


def problem_of_file(path: Path) -> Problem:
    with pytest.raises(PlanError) as caught:
        read_plan(path, regions=KNOWN_REGIONS)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    return problem


def test_a_file_reads_like_its_text(tmp_path: Path) -> None:
    path = tmp_path / "crm.json"
    path.write_bytes(b"\xef\xbb\xbf" + diamond().model_dump_json().encode())
    read = read_plan(path, regions=KNOWN_REGIONS)
    assert (read.plan, read.file) == (diamond(), str(path))


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such file" in problem_of_file(tmp_path / "crm.yaml").message
    assert "directory" in problem_of_file(tmp_path).message
    assert "not a file name" in problem_of_file(Path("crm\x00.yaml")).message

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "permission denied" in problem_of_file(tmp_path / "crm.yaml").message


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"PlanId: crm\nOwner: M\xfcller\n", 2, "not UTF-8"),
        ("PlanId: crm\n".encode("utf-16"), None, "UTF-16"),
        (b"#" * 5_000_001, None, "larger than 5 MB"),
        (bytes(range(253, 127, -1)), 1, "not UTF-8"),
    ],
)
def test_files_that_are_no_text_are_refused(
    tmp_path: Path, content: bytes, line: int | None, words: str
) -> None:
    path = tmp_path / "crm.yaml"
    path.write_bytes(content)
    problem = problem_of_file(path)
    assert words in problem.message
    assert problem.line == line


def test_a_thousand_unknown_keys_are_reported_in_a_few_lines() -> None:
    keys = "".join(f"Key{number}: 1\n" for number in range(1000))
    with pytest.raises(PlanError) as caught:
        parse_plan(
            f"PlanId: crm\nRegion: us-west-2\n{keys}", file="crm.yaml", regions=KNOWN_REGIONS
        )
    assert len(caught.value.problems) == 22

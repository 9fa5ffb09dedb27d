"""A text that is not YAML is refused in plain words, with the two lines that show it."""

import pytest

from recovery.plan.file.reader import PlanError, Problem, parse_plan
from tests.recovery.plans import KNOWN_REGIONS, server_id

MISTAKES = {
    "tab": (
        f"PlanId: crm\nWaves:\n  - WaveId: a\n\tServerIds: [{server_id(1)}]\n",
        "line 4 is indented with a tab; indent with spaces",
        (3, 4),
    ),
    "tab below a list": (
        "PlanId: crm\nWaves:\n\t- WaveId: a\n",
        "line 3 is indented with a tab; indent with spaces",
        (2, 3),
    ),
    "deeper than the line above": (
        "PlanId: crm\n  Region: us-west-2\n",
        "the indentation is wrong: line 2 begins after 2 spaces, the key in line 1 after 0; "
        "begin the keys of one mapping in the same column",
        (1, 2),
    ),
    "deeper, below a comment": (
        "PlanId: crm\n# where\n  Region: us-west-2\n",
        "the indentation is wrong: line 3 begins after 2 spaces, the key in line 1 after 0; "
        "begin the keys of one mapping in the same column",
        (1, 3),
    ),
    "below the dash": (
        f"PlanId: crm\nWaves:\n  - WaveId: a\n  ServerIds: [{server_id(1)}]\n",
        "the indentation is wrong: line 4 begins after 2 spaces, the key in line 3 after 4; "
        "begin the keys of one mapping in the same column",
        (3, 4),
    ),
    "between two levels": (
        "PlanId: crm\nWaves:\n  - WaveId: a\n    WaveName: A\n   Retries: 1\n",
        "the indentation is wrong: line 5 begins after 3 spaces, the key in line 4 after 4; "
        "begin the keys of one mapping in the same column",
        (4, 5),
    ),
    "no space after a colon": (
        "PlanId:crm\nRegion: us-west-2\n",
        'line 1 has no "key: value"; write a colon and a space after the key',
        (1, 2),
    ),
    "a key without a colon": (
        "PlanId: crm\nRegion\nWaves: []\n",
        'line 2 has no "key: value"; write a colon and a space after the key',
        (2, 3),
    ),
    "a colon in a value": (
        "PlanId: crm\nPlanName: CRM: the first\n",
        "a value in line 2 has a colon in it; put the value in quotes",
        (1, 2),
    ),
    "a bracket that stays open": (
        "PlanId: crm\nWaves: [\n\n",
        "a quote or bracket of line 2 is never closed, or a comma is wrong",
        (2,),
    ),
    "a quote that stays open": (
        'PlanId: crm\nPlanName: "CRM\nRegion: us-west-2\n',
        "a quote or bracket of line 2 is never closed, or a comma is wrong",
        (2, 3),
    ),
    "a character of YAML": (
        "PlanId: crm\nPlanName: @crm\n",
        "a value in line 2 begins with a character of YAML's own; put it in quotes",
        (1, 2),
    ),
    "text after a quote": (
        'PlanId: crm\nPlanName: "CRM" one\n',
        "line 2 does not fit below line 1; check quotes, commas and brackets",
        (1, 2),
    ),
}


def only_problem_of(text: str) -> Problem:
    with pytest.raises(PlanError) as caught:
        parse_plan(text, file="crm.yaml", regions=KNOWN_REGIONS)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("what", MISTAKES)
def test_what_is_not_yaml_is_explained_in_plain_words(what: str) -> None:
    text, words, lines = MISTAKES[what]
    problem = only_problem_of(text)
    assert problem.message == f"this is not valid YAML: {words}"
    written = text.splitlines()
    shown = tuple(f"{n} | {written[n - 1]}".replace("\t", "\\t") for n in lines)
    assert problem.excerpt == shown
    assert problem.line in lines


def test_an_error_shows_the_lines_below_its_message() -> None:
    error = PlanError((only_problem_of("PlanId: crm\n  Region: us-west-2\n"),))
    first, *excerpt = str(error).splitlines()
    assert first.startswith("crm.yaml:2: this is not valid YAML: the indentation is wrong")
    assert excerpt == ["    1 | PlanId: crm", "    2 |   Region: us-west-2"]

"""Outputs: selected by JMESPath, all of them there, and small."""

import pytest

from recovery.steps.model import StepOutput
from recovery.steps.outputs import OutputError, as_object, selected_outputs

RESULT = {"Outputs": {"Endpoint": "db.internal", "Ports": [5432, 5433], "Gone": None}}


def test_outputs_are_selected_by_their_paths() -> None:
    wanted = {
        "Endpoint": StepOutput(path="Outputs.Endpoint"),
        "Port": StepOutput(path="Outputs.Ports[0]"),
        "All": StepOutput(path="@"),
    }
    assert selected_outputs(wanted, RESULT) == {
        "Endpoint": "db.internal",
        "Port": 5432,
        "All": RESULT,
    }


@pytest.mark.parametrize("path", ["Outputs.Other", "Outputs.Gone", "Outputs[", "length(Outputs.X)"])
def test_an_output_that_is_not_there_is_an_error(path: str) -> None:
    with pytest.raises(OutputError, match="output Endpoint"):
        selected_outputs({"Endpoint": StepOutput(path=path)}, RESULT)


def test_outputs_have_4_kb_at_most() -> None:
    wanted = {"A": StepOutput(path="A")}
    assert selected_outputs(wanted, {"A": "ä" * 2000})
    with pytest.raises(OutputError, match="at most 4,096"):
        selected_outputs(wanted, {"A": "ä" * 2050})


def test_a_result_that_is_no_object_is_its_result() -> None:
    assert as_object({"A": 1}) == {"A": 1}
    assert as_object([1]) == {"Result": [1]}

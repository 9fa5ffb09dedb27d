"""A drill's bound follows from the time-outs of its plan."""

from bench.chaos.time_limit import time_limit
from bench.plans import new_plan, new_wave
from recovery.steps.model import Step

STEP = {"When": "BOTH", "Lambda": {"FunctionName": "f"}, "TimeoutSeconds": 600}


def test_a_drill_may_take_as_long_as_its_longest_path() -> None:
    step = Step.model_validate({"StepId": "s", "Retries": 1, "DecisionSeconds": 300} | STEP)
    alone = new_plan("p", new_wave("a", [], steps=[step]))
    beside = new_plan("p", *(new_wave(name, [], steps=[step]) for name in "ab"))
    chain = new_plan("p", *(new_wave(n, [], *"a"[: n == "b"], steps=[step]) for n in "ab"))
    base = time_limit(alone, speed=1.0)
    assert time_limit(beside, speed=1.0) == base
    assert time_limit(chain, speed=1.0) == base + 1500

"""What one execution may cost in Temporal's history."""

import pytest

from recovery.plan.limits import attempts_problem


@pytest.mark.parametrize(
    ("waves", "of_steps"),
    [([(1, 4)] * 1000, 1000), ([(1, 4)] * 1000, 1200), ([(5, 10)] * 260, 0), ([(5, 500)] * 8, 0)],
)
def test_what_fits_in_temporals_history_is_accepted(
    waves: list[tuple[int, int]], of_steps: int
) -> None:
    assert attempts_problem(waves, of_steps) is None


@pytest.mark.parametrize(
    ("waves", "of_steps", "what"),
    [
        ([(2, 4)] * 1000, 0, "66,070 events of 2,000 attempts of waves and 0 of steps"),
        ([(1, 4)] * 1000, 1300, "43,470 events of 1,000 attempts of waves and 1,300 of steps"),
        ([(1, 0)] * 600, 2000, "5,200 reports of 600 attempts of waves and 2,000 of steps"),
        ([(6, 500)] * 8, 0, "24,000 attempts of servers"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_size(
    waves: list[tuple[int, int]], of_steps: int, what: str
) -> None:
    problem = attempts_problem(waves, of_steps)
    assert problem is not None
    assert problem.startswith(f"{what} are more than Temporal's history of one execution takes")

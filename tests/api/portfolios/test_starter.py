"""The API starts the plans of a portfolio only as they were shown."""

import pytest

from api.portfolios.starter import (
    PortfolioStartRequest,
    RequestedPlan,
    _options_refusal,
    _require_shown,
)
from client.errors import RefusedError
from tests.recovery.portfolio.test_model import member


def test_a_plan_that_was_registered_anew_since_it_was_shown_is_refused() -> None:
    shown, now = member("a").plan, member("a", server=7).plan
    _require_shown(now, RequestedPlan(plan_id="a"))
    _require_shown(shown, RequestedPlan(plan_id="a", plan_hash=shown.plan_hash))
    with pytest.raises(RefusedError, match="is another one"):
        _require_shown(now, RequestedPlan(plan_id="a", plan_hash=shown.plan_hash))


def test_other_snapshots_than_were_shown_are_refused() -> None:
    with pytest.raises(RefusedError, match="other snapshots"):
        _require_shown(member("a").plan, RequestedPlan(plan_id="a", points_hash="0" * 64))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ReplaceDrills": True}, "only a real RECOVERY"),
        ({"DeclaredTime": 4e9}, "is after the start"),
        (
            {"FromExecution": "all-0123456789ab", "PointInTime": {"Time": 1.0}},
            "point in time of that execution",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    fields: dict[str, object], problem: str
) -> None:
    request = PortfolioStartRequest.model_validate({"Confirmation": "all", **fields})
    refusal = _options_refusal("all", request)
    assert refusal is not None
    assert problem in refusal.text

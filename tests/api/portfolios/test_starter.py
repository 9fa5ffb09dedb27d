"""The API starts the plans of a portfolio only as they were shown."""

import pytest

from api.portfolios.starter import RequestedPlan, _require_shown
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

"""What an operator may tell a portfolio, and when."""

import pytest

from recovery.access.grants import MessageVerdict
from recovery.execution.state import PlanStatus, RefusalCode
from recovery.portfolio.messages import PortfolioMessageHandler
from recovery.portfolio.scheduler import PortfolioScheduler
from recovery.portfolio.state import MemberStatus, PortfolioMessageRecord
from tests.recovery.portfolio.test_scheduler import NOW, RECOVERY, end, ready, scheduler


@pytest.fixture
def found() -> PortfolioScheduler:
    """`crm` waits for `directory`, which has failed."""
    found = scheduler("directory", "crm: directory", "shop: crm", kind=RECOVERY)
    end(found, "directory", PlanStatus.FAILED)
    return found


def sent(found: PortfolioScheduler, name: str, **fields: object) -> PortfolioMessageRecord:
    return PortfolioMessageHandler(found).handle(name, {"actor": "ann"} | fields, now=NOW)


def test_each_message_has_its_effect_and_is_recorded(found: PortfolioScheduler) -> None:
    assert sent(found, "pause", reason="look").accepted
    assert found.state.status is PlanStatus.PAUSED
    assert "once the portfolio is resumed" in sent(found, "start_plan", plan="crm").effect
    assert ready(found) == []
    assert sent(found, "resume").accepted
    assert ready(found) == ["crm"]
    assert sent(found, "skip_plan", plan="shop").accepted
    assert found.state.member("shop").status is MemberStatus.SKIPPED
    assert sent(found, "accept_plan", plan="directory").accepted
    names = [(m.name, m.plan_id, m.actor) for m in found.state.messages]
    assert names[0] == ("pause", None, "ann")
    assert names[-1] == ("accept_plan", "directory", "ann")


@pytest.mark.parametrize(
    ("name", "fields", "code"),
    [
        ("resume", {}, RefusalCode.NOT_PAUSED),
        ("skip_plan", {"plan": "directory"}, RefusalCode.WAVE_STATUS),
        ("start_plan", {"plan": "directory"}, RefusalCode.WAVE_STATUS),
        ("accept_plan", {"plan": "crm"}, RefusalCode.WAVE_STATUS),
        ("accept_plan", {"plan": "directry"}, RefusalCode.UNKNOWN_WAVE),
        ("skip_plan", {}, RefusalCode.UNKNOWN_WAVE),
        ("explode", {}, RefusalCode.UNKNOWN_MESSAGE),
        ("pause", {"wave": "x"}, RefusalCode.MALFORMED),
        ("pause", {"execution_id": "all-ffffffffffff"}, RefusalCode.OTHER_EXECUTION),
    ],
)
def test_what_is_not_allowed_has_no_effect_and_says_why(
    found: PortfolioScheduler, name: str, fields: dict[str, object], code: RefusalCode
) -> None:
    before = found.state.model_copy(deep=True)
    record = sent(found, name, **fields)
    assert (record.accepted, record.refusal) == (False, code)
    assert record.effect
    assert found.state.plans == before.plans
    assert found.state.status is before.status


def test_after_the_end_a_message_is_refused_with_the_command_that_goes_on(
    found: PortfolioScheduler,
) -> None:
    found.close(now=NOW)
    record = sent(found, "pause")
    assert record.refusal is RefusalCode.EXECUTION_ENDED
    assert "run-all --from all-0123456789ab --recovery" in record.effect


def test_a_signed_message_needs_the_role_and_has_its_effect_once(
    found: PortfolioScheduler,
) -> None:
    handler = PortfolioMessageHandler(found)
    viewer = MessageVerdict(verified_actor="vic", nonce="1", roles=["viewer"])
    assert handler.handle("pause", {}, now=NOW, verdict=viewer).refusal is RefusalCode.ROLE_MISSING
    forged = MessageVerdict(refusal="NOT_SIGNED", reason="it is not signed")
    refused = handler.handle("pause", {}, now=NOW, verdict=forged)
    assert refused.refusal is RefusalCode.NOT_AUTHORIZED
    ann = MessageVerdict(verified_actor="ann", nonce="2", roles=["operator"])
    first = handler.handle("pause", {}, now=NOW, verdict=ann)
    assert first.accepted
    assert first.actor_verified
    handler.handle("resume", {}, now=NOW)
    again = handler.handle("pause", {}, now=NOW, verdict=ann)
    assert again.refusal is RefusalCode.REPLAYED

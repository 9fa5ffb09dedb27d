"""Events of the audit log: one line each, and a flood of equal refusals is a count."""

import json
from typing import Any

from recovery.access.audit import EACH_REFUSAL, AuditAct, AuditEvent, Proof, RefusalGroups
from recovery.access.grants import Algorithm, Grant
from tests.security.keys import start_subject

NOON = 1_700_000_000.0


def event(time: float = NOON, **fields: Any) -> AuditEvent:
    """A refused sign-in."""
    values: dict[str, Any] = {
        "time": time, "act": AuditAct.SIGN_IN, "accepted": False, "refusal": "UNAUTHORIZED",
        "address": "10.0.0.1",
    }  # fmt: skip
    return AuditEvent(**values | fields)


def written(*events: AuditEvent, until: float = NOON + 600) -> list[AuditEvent]:
    """What is written of events."""
    groups = RefusalGroups()
    return [*(w for each in events for w in groups.take(each)), *groups.ended(until)]


def test_an_event_is_one_line_of_json_whatever_others_sent() -> None:
    text = "a\nb\x1b[2J" + "x" * 100_000
    found = json.loads(event(text=text, actor="\ud800\u2028", plan_id=text).line)
    assert found["Act"] == "SIGN_IN"
    assert "WaveId" not in found
    assert event(text=text, actor="\u2028").line.splitlines() == [
        event(text=text, actor="\u2028").line
    ]
    assert len(event(text=text, plan_id=text, message=text, wave_id=text).line) < 10_000


def test_the_actor_of_a_signature_is_verified_with_its_key_and_reason() -> None:
    grant = Grant(
        kid="0123", algorithm=Algorithm.ED25519, issued_time=0, expires_time=1, nonce="n1",
        actor="ops", break_glass="lost", subject=start_subject(),
    )  # fmt: skip
    found = event(actor="boss").signed_by(grant)
    assert (found.actor, found.actor_verified, found.kid) == ("ops", True, "0123")
    assert (found.proof, found.break_glass, found.request_id) == (Proof.BREAK_GLASS, "lost", "n1")
    forged = event(actor="boss").signed_by(None)
    assert (forged.actor, forged.actor_verified, forged.proof) == ("boss", False, Proof.NONE)


def test_500_wrong_tokens_in_a_minute_are_ten_events_and_a_count() -> None:
    found = written(*(event(NOON + n / 10) for n in range(500)))
    assert len(found) == EACH_REFUSAL + 1
    assert [each.count for each in found[:-1]] == [None] * EACH_REFUSAL
    last = found[-1]
    assert (last.count, last.first_time, last.last_time) == (490, NOON + 1, NOON + 49.9)


def test_a_flood_of_an_hour_is_counted_by_the_minute_and_nothing_is_left_out() -> None:
    found = written(*(event(NOON + n) for n in range(3600)), until=NOON + 7200)
    assert sum(each.count or 1 for each in found) == 3600
    assert len(found) == 60 * (EACH_REFUSAL + 1)


def test_names_without_proof_do_not_make_refusals_differ_and_verified_ones_do() -> None:
    claimed = [event(actor=f"user-{n}") for n in range(100)]
    assert len(written(*claimed)) == EACH_REFUSAL + 1
    known = [event(actor=f"user-{n % 2}", actor_verified=True) for n in range(100)]
    assert len(written(*known)) == 2 * (EACH_REFUSAL + 1)
    acts = [event(act=act) for act in AuditAct for _ in range(EACH_REFUSAL)]
    assert len(written(*acts)) == len(acts)


def test_a_flood_from_many_addresses_is_counted_too() -> None:
    found = written(*(event(address=f"2001:db8::{n:x}") for n in range(5000)))
    assert sum(each.count or 1 for each in found) == 5000
    assert len(found) < 1100


def test_what_was_accepted_is_always_an_event_of_its_own() -> None:
    accepted = [event(accepted=True, refusal=None) for _ in range(100)]
    assert written(*accepted) == accepted


def test_a_clock_that_is_set_back_loses_no_count() -> None:
    early = [event(NOON) for _ in range(20)]
    late = [event(NOON - 3600) for _ in range(20)]
    found = written(*early, *late, until=NOON - 1800)
    assert sum(each.count or 1 for each in found) == 40

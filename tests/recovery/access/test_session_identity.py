"""What sessions in AWS are named after execution and actor."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.access.session_identity import SessionIdentity

UNIQUE = "0123456789ab"


def test_a_session_is_named_after_execution_and_actor() -> None:
    identity = SessionIdentity(
        plan_id="crm", execution_id=f"crm-{UNIQUE}", actor="alice@example.com"
    )
    assert identity.session_name == f"crm-{UNIQUE},alice@example.com"
    assert identity.source_identity == "alice@example.com"
    assert identity.tags == {
        "drs-waves:plan": "crm",
        "drs-waves:execution": f"crm-{UNIQUE}",
        "drs-waves:actor": "alice@example.com",
    }


def test_what_no_execution_asked_for_alone_is_named_after_the_worker() -> None:
    assert SessionIdentity().session_name == "drs-waves"
    assert SessionIdentity().tags == {"drs-waves:actor": "drs-waves"}


def test_a_long_name_keeps_what_makes_it_unique() -> None:
    identity = SessionIdentity(execution_id=f"{'p' * 64}-{UNIQUE}", actor="a" * 100)
    assert len(identity.session_name) == 64
    assert f"-{UNIQUE},aaa" in identity.session_name


@pytest.mark.parametrize(
    ("actor", "said"), [("", "unknown"), ("x", "x-"), ("José García", "Jos--Garc-a")]
)
def test_an_actor_is_written_in_the_characters_that_sts_takes(actor: str, said: str) -> None:
    assert SessionIdentity(actor=actor).source_identity == said


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_execution_and_actor_make_names_that_sts_takes(execution_id: str, actor: str) -> None:
    identity = SessionIdentity(execution_id=execution_id, actor=actor)
    for name in (identity.session_name, identity.source_identity):
        assert re.fullmatch(r"[A-Za-z0-9_+=,.@-]{2,64}", name)
    assert all(len(value) <= 256 for value in identity.tags.values())

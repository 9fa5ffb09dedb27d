"""Operators' messages: understood in any form, or rejected with the reason."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.operator.messages import MessageName, MessageRejected, OperatorMessage, read_message

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "wave",
        "WaveId",
        "reason",
        "actor",
        "ExecutionId",
        "cascade",
        "approve",
        "expires_in_seconds",
        "job",
    ]
)


@pytest.mark.parametrize(
    "given_input",
    ["web", {"wave": "web"}, {"WaveId": "web"}, {"Wave": "web"}, {"wave_id": "web"}],
)
def test_a_wave_is_named_in_any_of_the_usual_ways(given_input: Any) -> None:
    assert read_message(MessageName.SKIP_WAVE, (given_input,)).wave == "web"


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("skip_wave", (), "needs a wave"),
        ("skip_wave", (None,), "needs a wave"),
        ("skip_wave", ({},), "needs a wave"),
        ("skip_wave", ({"wave": ""},), "needs a wave"),
        ("skip_wave", ({"wave": 3},), "must be text"),
        ("skip_wave", ([1],), "must be an object"),
        ("skip_wave", ("a", "b"), "takes one input"),
        ("skip_wave", ({"wave": "a", "raeson": "x"},), "did you mean reason?"),
        ("skip_wave", ({"wave": "a", "cascade": "yes"},), "true or false"),
        ("skip_wave", ({"wave": "a", "approve": False},), "belongs to approve_wave"),
        ("approve_wave", ({"wave": "a", "expires_in_seconds": -1},), "above 0"),
        ("approve_wave", ({"wave": "a", "expires_in_seconds": True},), "above 0"),
        ("approve_wave", ({"wave": "a", "approve": None},), "true or false"),
        ("approve_wave", ({"wave": "a", "approve": ""},), "true or false"),
        ("approve_wave", ({"wave": "a", "approve": False, "Approve": True},), "the same field"),
        ("approve_wave", ({"wave": "a", "expires_in_seconds": None},), "above 0"),
        ("skip_wave", ({"wave": "a", "cascade": None},), "true or false"),
        ("adopt_job", ({"wave": "a", "job": None},), "must be a DRS job ID"),
        ("pause", (7,), "must be an object"),
        ("adopt_job", ("a",), "needs the job to adopt"),
        ("adopt_job", ({"wave": "a", "job": "job-1"},), "must be a DRS job ID"),
        ("adopt_job", ({"wave": "a", "job": 7},), "must be a DRS job ID"),
        ("launch_anyway", ({"wave": "a", "job": "drsjob-0123456789abcdef0"},), "belongs to adopt"),
    ],
)
def test_a_malformed_message_is_rejected_with_the_reason(
    name: str, inputs: tuple[Any, ...], words: str
) -> None:
    with pytest.raises(MessageRejected, match=words.replace("?", r"\?")):
        read_message(MessageName(name), inputs)


def test_a_bare_text_is_the_reason_of_a_pause() -> None:
    assert read_message(MessageName.PAUSE, ("network team",)).reason == "network team"


@given(
    st.sampled_from(MessageName),
    st.lists(json_values | st.dictionaries(keys, json_values), max_size=2),
)
def test_any_input_is_read_or_rejected(name: MessageName, inputs: list[Any]) -> None:
    texts: list[str] = []
    try:
        message = read_message(name, tuple(inputs))
        texts += [message.reason, message.actor, message.name]
    except MessageRejected as rejected:
        texts += [str(rejected)]
    assert all(text.isprintable() for text in texts)


@given(
    st.builds(
        OperatorMessage,
        name=st.just(MessageName.APPROVE_WAVE),
        wave=st.sampled_from(["web", "db-1"]),
        reason=st.sampled_from(["", "because"]),
        actor=st.just("ops@here"),
        execution_id=st.sampled_from([None, "crm-1"]),
        client=st.sampled_from([None, "drs-waves"]),
        approve=st.booleans(),
        expires_in_seconds=st.sampled_from([None, 60.0]),
    )
)
def test_what_our_own_clients_send_is_read_back_as_it_was(message: OperatorMessage) -> None:
    assert read_message(message.name, (message.as_input(),)) == message

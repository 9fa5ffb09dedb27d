"""Lambda functions that answer by the scenario."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.sandbox.local_aws import LocalAws, error_of

SCENARIO = """
Functions:
  - FunctionName: promote
    IdempotentBy: StepAttemptId
    Answers:
      - {Payload: {Endpoint: db.example.com}}
      - {FunctionError: Unhandled, Payload: {errorMessage: 'no quorum', errorType: Error}}
  - {FunctionName: notify, Region: eu-west-1, Answers: [{Seconds: 3}]}
"""


def invoke(aws: LocalAws, name: str, payload: Any, region: str = "us-west-2", **more: Any) -> Any:
    """Return the payload of the answer and the function's error."""
    client = aws.client("lambda", region)
    answer = client.invoke(FunctionName=name, Payload=json.dumps(payload), **more)
    content = answer["Payload"].read()
    return (json.loads(content) if content else None), answer.get("FunctionError")


def effects(aws: LocalAws) -> list[Any]:
    """Return key, repeat and payload of each invocation."""
    return [
        (each["Key"], each["IsRepeat"], each["Details"]["Payload"])
        for each in aws.control("GET", "effects")[1]["Effects"]
    ]


def test_a_function_answers_by_the_scenario_and_recognizes_a_repeat() -> None:
    first, second = {"StepAttemptId": "a"}, {"StepAttemptId": "b"}
    with LocalAws(SCENARIO) as aws:
        assert invoke(aws, "promote", first) == ({"Endpoint": "db.example.com"}, None)
        assert invoke(aws, "promote", first) == ({"Endpoint": "db.example.com"}, None)
        payload, error = invoke(aws, "promote", second)
        assert (payload["errorMessage"], error) == ("no quorum", "Unhandled")
        assert effects(aws) == [("a", False, first), ("a", True, first), ("b", False, second)]


def test_a_function_is_in_its_region_only() -> None:
    with LocalAws(SCENARIO, speed=300) as aws:
        began = time.monotonic()
        assert invoke(aws, "notify", {"To": "shop"}, "eu-west-1") == (None, None)
        assert time.monotonic() - began < 2.0
        with pytest.raises(ClientError) as refusal:
            invoke(aws, "notify", {})
        assert error_of(refusal.value)["error"] == "ResourceNotFoundException"
        assert effects(aws) == [("", False, {"To": "shop"})]
        aws.client("lambda", "eu-west-1").get_function(FunctionName="notify")


def test_an_event_is_accepted_and_a_dry_run_has_no_effect() -> None:
    with LocalAws(SCENARIO) as aws:
        assert invoke(aws, "promote", {}, InvocationType="DryRun") == (None, None)
        assert effects(aws) == []
        assert invoke(aws, "promote", {}, InvocationType="Event") == (None, None)
        assert effects(aws) == [("", False, {})]


def test_one_function_is_throttled_and_the_answer_of_another_is_lost() -> None:
    invocation = "Service: lambda, Operation: Invoke, Times: 1"
    faults = f"""
Faults:
  - {{{invocation}, Error: TooManyRequestsException, Mentions: [/promote/]}}
  - {{{invocation}, Effect: answer-lost, Mentions: [/notify/]}}
"""
    with LocalAws(SCENARIO + faults, speed=300) as aws:
        with pytest.raises(ClientError) as refusal:
            invoke(aws, "promote", {})
        assert error_of(refusal.value)["status"] == 429
        assert effects(aws) == []
        with pytest.raises(ConnectionClosedError):
            invoke(aws, "notify", {}, "eu-west-1")
        assert effects(aws) == [("", False, {})]

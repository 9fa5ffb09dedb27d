"""The HTTP service that is on no server."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.sandbox.local_aws import LocalAws

SCENARIO = """
HttpPaths:
  - Path: /failover
    Method: POST
    Idempotent: true
    Answers: [{Status: 202, Body: {Id: 7}}, {Status: 200}]
  - Path: /full
    Idempotent: true
    Answers: [{Status: 503}, {Status: 200}]
  - {Path: /mail, Answers: [{Status: 503, Body: busy}, {Status: 500, Accepted: true}, {}]}
  - {Path: /slow, Answers: [{Seconds: 30}]}
  - Path: /metadata
    Answers: [{Status: 302, Headers: {Location: 'http://169.254.169.254/latest'}}]
"""
ACCOUNT = "123456789012"


def ask(aws: LocalAws, method: str, path: str, account: str = ACCOUNT, **more: Any) -> Any:
    """Return the response to a request."""
    return httpx.request(method, f"{aws.server.endpoint_url}/_http/{account}{path}", **more)


def effects(aws: LocalAws) -> list[Any]:
    """Return kind, path, key and repeat of each effect."""
    return [
        (each["Kind"], each["Details"]["Path"], each["Key"], each["IsRepeat"])
        for each in aws.control("GET", "effects")[1]["Effects"]
    ]


def test_a_path_that_honours_idempotency_keys_acts_once() -> None:
    key = {"Idempotency-Key": "a"}
    with LocalAws(SCENARIO) as aws:
        for _ in range(2):
            response = ask(aws, "POST", "/failover?to=west", headers=key, json={"Id": 1})
            assert (response.status_code, response.json()) == (202, {"Id": 7})
        assert ask(aws, "POST", "/failover", headers={"Idempotency-Key": "b"}).status_code == 200
        kind = ("http.POST", "/failover")
        assert effects(aws) == [(*kind, "a", False), (*kind, "a", True), (*kind, "b", False)]
        details = aws.control("GET", "effects")[1]["Effects"][0]["Details"]
        assert (details["Query"], details["Body"]) == ("to=west", {"Id": 1})


def test_a_path_that_honours_idempotency_keys_may_be_asked_again_for_what_it_refused() -> None:
    key = {"Idempotency-Key": "a"}
    with LocalAws(SCENARIO) as aws:
        answers = [ask(aws, "POST", "/full", headers=key).status_code for _ in range(3)]
        assert answers == [503, 200, 200]
        assert [is_repeat for *_, is_repeat in effects(aws)] == [False, True]


def test_a_path_that_does_not_honour_them_acts_each_time_that_it_accepts() -> None:
    key = {"Idempotency-Key": "a"}
    with LocalAws(SCENARIO) as aws:
        answers = [ask(aws, "POST", "/mail", headers=key).status_code for _ in range(4)]
        assert answers == [503, 500, 200, 200]
        assert effects(aws) == [("http.POST", "/mail", "a", False)] * 3


def test_a_check_reads_and_has_no_effect() -> None:
    with LocalAws(SCENARIO, speed=100) as aws:
        began = time.monotonic()
        assert ask(aws, "GET", "/slow").status_code == 200
        assert time.monotonic() - began > 0.3
        redirect = ask(aws, "GET", "/metadata")
        assert redirect.headers["location"] == "http://169.254.169.254/latest"
        assert ask(aws, "GET", "/failover").status_code == 404
        assert ask(aws, "GET", "/slow", account="210987654321").status_code == 404
        assert ask(aws, "GET", "/slow", account="../x").status_code == 404
        assert effects(aws) == []


def test_an_answer_is_lost_after_the_request_is_accepted_or_never_comes() -> None:
    faults = """
Faults:
  - {Service: http, Operation: POST, Effect: answer-lost, Times: 1, Mentions: [/failover]}
  - {Service: http, Operation: POST, Effect: hang, Times: 1, Mentions: [/mail]}
"""
    with LocalAws(SCENARIO + faults) as aws:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(aws, "POST", "/failover")
        assert effects(aws) == [("http.POST", "/failover", "", False)]
        with pytest.raises(httpx.ReadTimeout):
            ask(aws, "POST", "/mail", timeout=0.3)
        assert len(effects(aws)) == 1

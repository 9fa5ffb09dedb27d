"""Requests to the API: what is repeated, what its errors become, and where the token goes."""

from typing import Any

import httpx
import pytest

from api.request_problems import API_VERSION, VERSION_HEADER
from client.errors import ApiUnreachableError, NoWorkerError, RefusedError, UnreachableError
from client.remote import api_client
from client.remote.api_client import ApiClient
from runtime.exit import ExitCode, explain

URL = "https://drs.example.com"
PROBLEM = {"content-type": "application/problem+json"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "_PAUSES", (0.0, 0.0))


class Network(httpx.AsyncBaseTransport):
    """Answers requests in turn, and keeps them; an exception is an answer that is lost."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def api(network: Network) -> ApiClient:
    async def token(renew: bool) -> str:
        return "the-new-token" if renew else "the-token"

    return ApiClient(URL, token, network)


def problem(status: int, **keys: Any) -> httpx.Response:
    """Problem details."""
    return httpx.Response(status, json={"detail": "why", **keys}, headers=PROBLEM)


async def test_a_change_whose_answer_is_lost_is_repeated_with_the_same_key() -> None:
    lost: list[httpx.Response | Exception] = [
        httpx.ReadError("gone"),
        httpx.Response(502, text="<html>bad gateway"),
    ]
    network = Network(*lost, httpx.Response(200, json={"Effect": "paused"}))
    assert (await api(network).post("/pause", {}, key="k"))[0] == {"Effect": "paused"}
    assert [each.headers["Idempotency-Key"] for each in network.requests] == ["k"] * 3


async def test_what_may_have_been_done_is_said_when_no_answer_comes() -> None:
    network = Network(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(ApiUnreachableError, match="`drs-waves status` shows it"):
        await api(network).post("/pause", {}, key="k")


@pytest.mark.parametrize(
    ("answer", "error", "text", "code"),
    [
        (problem(409), RefusedError, "why", ExitCode.BAD_INPUT),
        (problem(409, command_line="in commands"), RefusedError, "in commands", 2),
        (problem(503), UnreachableError, "why", ExitCode.UNREACHABLE),
        (problem(503, is_worker_missing=True), NoWorkerError, "why", ExitCode.UNREACHABLE),
        (httpx.Response(200, text="<html>"), ApiUnreachableError, "not as the API", 5),
        (httpx.Response(302, headers={"location": "https://evil.example"}), ApiUnreachableError,
         "answers HTTP 302", 5),
    ],
)  # fmt: skip
async def test_the_errors_of_the_api_are_those_of_the_command_line(
    answer: httpx.Response, error: type[Exception], text: str, code: int
) -> None:
    with pytest.raises(error, match=text) as raised:
        await api(Network(answer)).get("/executions")
    explained = explain(raised.value)
    assert explained is not None
    assert explained.code == code


@pytest.mark.parametrize(
    ("answer", "is_lost"),
    [
        (httpx.ConnectError("refused"), True),
        (httpx.Response(200, text="<html>"), True),
        (httpx.Response(500, text="{", headers=PROBLEM), True),
        (problem(503), True),
        # These have a remedy of their own.
        (problem(503, command_line="an offline key signs it"), False),
        (problem(503, is_worker_missing=True), False),
        (problem(409), False),
    ],
)
async def test_an_error_of_a_lost_api_ends_with_the_way_without_it(
    answer: httpx.Response | Exception, is_lost: bool
) -> None:
    async def token(_: bool) -> str:
        return "the-token"

    lost = ApiClient(URL, token, Network(answer), if_lost="Go without it")
    with pytest.raises((RefusedError, UnreachableError)) as raised:
        await lost.get("/executions")
    assert str(raised.value).endswith(". Go without it") is is_lost


async def test_a_refused_token_is_renewed_once_and_then_a_sign_in_is_asked_for() -> None:
    network = Network(problem(401), httpx.Response(200, json={}))
    await api(network).get("/me")
    sent = [each.headers["Authorization"] for each in network.requests]
    assert sent == ["Bearer the-token", "Bearer the-new-token"]
    with pytest.raises(RefusedError, match=r"Sign in again: `drs-waves login`") as refused:
        await api(Network(problem(401), problem(401))).get("/me")
    assert "the-token" not in repr(refused.value)


async def test_a_server_of_another_version_refuses_the_client() -> None:
    network = Network(httpx.Response(200, json={}))
    await api(network).get("/me")
    assert network.requests[0].headers[VERSION_HEADER] == API_VERSION


async def test_all_problems_of_a_plan_are_listed() -> None:
    problems = [{"detail": "one"}, {"detail": "two"}]
    with pytest.raises(RefusedError, match=r"why\n  one\n  two"):
        await api(Network(problem(422, problems=problems))).post("/plans/validate", {})


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/api", f"{URL}/api/"])
def test_the_address_may_be_that_of_the_pages_or_of_the_api(url: str) -> None:
    assert api_client.api_base(url) == f"{URL}/api"

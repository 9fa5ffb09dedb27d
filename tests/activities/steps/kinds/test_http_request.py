"""Requests: sent at most once, with their key, and secrets that nothing says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome
from recovery.steps.state import StepStatus
from settings import Settings
from tests.activities.notify.receiver import Receiver, receiver
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

SECRET = "t0ken-Pa55"


@pytest.fixture
def service(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    with receiver() as state:
        yield state


@pytest.fixture
def steps(fast: Settings) -> StepActivities:
    return step_activities(fast)


def post(service: Receiver, step: dict[str, Any] | None = None, **keys: Any) -> Any:
    return step_call(Http={"Url": f"{service.url}/promote?a=b"} | keys, **(step or {}))


async def test_a_request_has_its_key_and_its_answer_is_the_result(
    service: Receiver, steps: StepActivities, temporal: Temporal
) -> None:
    service.text = json.dumps({"Endpoint": "db.internal", "Echo": SECRET})
    call = post(
        service,
        {"Outputs": {"Endpoint": {"Path": "Endpoint"}, "Echo": {"Path": "Echo"}}},
        Query={"c": "d&e=f#g"},
        Headers={"X-Wave": "db", "content-type": "application/vnd.shop+json"},
        SecretHeaders={"Authorization": "env:SHOP_TOKEN"},
        Body={"Region": 'us-west-2"}'},
    )
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is StepStatus.SUCCEEDED
    assert start.result.outputs == {"Endpoint": "db.internal", "Echo": "********"}
    ((path, headers, body),) = service.requests
    assert path == "/promote?a=b&c=d%26e%3Df%23g"
    assert json.loads(body) == {"Region": 'us-west-2"}'}
    assert headers["Idempotency-Key"] == call.attempt_id
    assert (headers["Authorization"], headers["X-Wave"]) == (SECRET, "db")
    assert headers["content-type"] == "application/vnd.shop+json"
    assert SECRET not in start.model_dump_json()


@pytest.mark.parametrize(
    ("status", "expected_and_end"),
    [
        (204, ([], StepStatus.SUCCEEDED)),
        (404, ([], StepStatus.FAILED)),
        (409, ([200, 409], StepStatus.SUCCEEDED)),
        (200, ([201], StepStatus.FAILED)),
        (503, ([503], StepStatus.SUCCEEDED)),
    ],
)
async def test_the_status_decides(
    service: Receiver,
    steps: StepActivities,
    temporal: Temporal,
    status: int,
    expected_and_end: tuple[list[int], StepStatus],
) -> None:
    expected, ends = expected_and_end
    service.statuses = [status]
    call = post(service, ExpectedStatus=expected)
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is ends
    assert f"HTTP {status}" in start.result.reason


async def test_a_redirect_is_not_followed_and_fails(
    service: Receiver, steps: StepActivities, temporal: Temporal
) -> None:
    service.statuses, service.headers = [307], {"Location": f"{service.url}/other"}
    start = await Attempt(temporal).run(steps.start_step, post(service))
    assert start.result is not None
    assert start.result.status is StepStatus.FAILED
    assert len(service.requests) == 1


@pytest.mark.parametrize("fault", ["500", "hangs"])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_an_unclear_answer_is_unknown_unless_it_may_be_sent_again(
    service: Receiver, steps: StepActivities, temporal: Temporal, fault: str, idempotent: bool
) -> None:
    service.statuses = [500, 200] if fault == "500" else [200]
    service.delay = 0.0 if fault == "500" else 3.0
    call = post(service, {"Idempotent": idempotent})
    if fault == "hangs":
        call = call.model_copy(update={"deadline": call.since + 0.3})
    first = Attempt(temporal)
    if fault == "hangs":
        start = await first.run(steps.start_step, call)
        assert start.outcome is StartOutcome.UNKNOWN
        assert "after the request was sent" in start.reason
        return
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is (StartOutcome.STARTED if idempotent else StartOutcome.UNKNOWN)
    keys = {headers["Idempotency-Key"] for _, headers, _ in service.requests}
    assert (len(service.requests), keys) == (2 if idempotent else 1, {call.attempt_id})


async def test_a_refused_connection_had_no_effect_and_is_tried_again(
    service: Receiver, steps: StepActivities, temporal: Temporal
) -> None:
    call = step_call(Http={"Url": "http://127.0.0.1:1/promote"})
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    late = call.model_copy(update={"deadline": call.since - 1})
    start = await first.next().run(steps.start_step, late)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert "did not start in its time" in start.reason


async def test_a_full_service_is_asked_again(
    service: Receiver, steps: StepActivities, temporal: Temporal
) -> None:
    service.statuses = [429, 200]
    call = post(service)
    first = Attempt(temporal)
    await first.run_failing(steps.start_step, call)
    start = await first.next().run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED


async def test_an_answer_without_end_is_cut(
    service: Receiver, steps: StepActivities, temporal: Temporal
) -> None:
    service.text = "x" * 1_000_000
    call = post(service, {"Outputs": {"All": {"Path": "Result"}}})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.result is not None
    assert start.result.status is StepStatus.FAILED
    assert "no value for output All" in start.result.reason


@pytest.mark.parametrize(
    "keys",
    [
        {"Url": "http://169.254.169.254/latest/api/token"},
        {"Url": "http://[::ffff:169.254.169.254]/"},
        {"Headers": {"Host": "other.example.com"}},
        {"Headers": {"idempotency-key": "other"}},
        {"SecretHeaders": {"Authorization": "env:AWS_SECRET_ACCESS_KEY"}},
        {"SecretHeaders": {"Authorization": "env:DRS_WAVES_NOTIFY"}},
        {"SecretHeaders": {"Authorization": "env:NO_SUCH_VARIABLE"}},
    ],
)
async def test_what_must_not_be_sent_is_not(
    service: Receiver, steps: StepActivities, temporal: Temporal, keys: dict[str, Any]
) -> None:
    start = await Attempt(temporal).run(steps.start_step, post(service, **keys))
    assert start.outcome is StartOutcome.NOT_STARTED
    assert service.requests == []


async def test_a_secret_that_makes_no_header_is_in_no_text(
    service: Receiver,
    steps: StepActivities,
    temporal: Temporal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", f"{SECRET}\r\nX: y")
    call = post(service, SecretHeaders={"Authorization": "env:SHOP_TOKEN"})
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.NOT_STARTED
    assert SECRET not in start.model_dump_json()

"""What the API's answers mean: never more than it knows."""

from typing import Any

import httpx
import pytest

from client.errors import NoWorkerError, RefusedError, UnreachableError
from client.executions import LastKnownState
from client.remote.api_client import ApiClient
from client.remote.recoveries import ApiRecoveries
from recovery.execution.state import ExecutionState
from tests.cli.executions import CHAIN, START, begin

ID = "crm-0f3b52a1c7d9"


class Api(httpx.AsyncBaseTransport):
    """Answers by path; the answers of a list in turn."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[request.url.path.removeprefix("/api/").split("/")[0]]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        if isinstance(answer, int):
            headers = {"content-type": "application/problem+json"}
            return httpx.Response(answer, json={"detail": "why"}, headers=headers)
        return httpx.Response(200, json=answer)


def recoveries(**answers: Any) -> ApiRecoveries:
    async def token(_: bool) -> str:
        return "the-token"

    return ApiRecoveries(ApiClient("https://drs.example.com", token, Api(**answers)))


def view(state: ExecutionState, error: str | None = None) -> dict[str, Any]:
    """A view as the API answers it."""
    return {"Execution": state.model_dump(mode="json"), "Error": error}


def outdated(*, is_closed: bool = False) -> dict[str, Any]:
    """A view of what was recorded."""
    state = LastKnownState.of(begin(CHAIN), "nothing answers", is_closed=is_closed)
    return view(state, "nothing answers")


@pytest.mark.parametrize(("worker", "error"), [(False, NoWorkerError), (None, UnreachableError)])
async def test_a_last_known_state_never_passes_for_the_current_one(
    worker: bool | None, error: type[UnreachableError]
) -> None:
    known = recoveries(executions=outdated(), health={"Worker": worker})
    with pytest.raises(error, match="nothing answers") as raised:
        await known.state("crm", ID)
    assert type(raised.value) is error
    last = await known.last_known("crm", "nothing answers", ID)
    assert last is not None
    assert last.outdated_reason == "nothing answers"
    assert await known.closed_status("crm", ID) is None


async def test_an_execution_that_temporal_no_longer_runs_is_closed() -> None:
    known = recoveries(executions=outdated(is_closed=True))
    assert (await known.state("crm", ID)).end_time is None
    assert await known.closed_status("crm", ID) == "CLOSED"


async def test_an_end_is_not_forgotten_when_another_server_looked_earlier() -> None:
    ended = begin(CHAIN)
    ended.end_time = START + 60
    known = recoveries(executions=[view(ended), view(begin(CHAIN))], running=409)
    assert (await known.state("crm", ID)).end_time == START + 60
    assert await known.closed_status("crm", ID) == "CLOSED"


async def test_a_state_read_before_its_workflow_closed_is_not_one_closed_from_outside() -> None:
    known = recoveries(executions=view(begin(CHAIN)), running=409)
    assert await known.closed_status("crm", ID) is None


@pytest.mark.parametrize("status", [401, 403, 422])
async def test_a_refused_caller_does_not_learn_that_nothing_runs(status: int) -> None:
    with pytest.raises(RefusedError, match="why"):
        await recoveries(running=status).find_running("crm")

"""The page of a plan, with what the history and the plan table say."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api import service
from api.pages import live_page
from api.pages.plan import plan_poller
from api.pages.plan.plan_graph import waves_of
from api.pages.plan.plan_page import trend
from client import overview
from client.overview import ExecutionRow
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.execution.wave import WaveStatus
from recovery.history.record import HistoryRecord
from recovery.steps.model import StepKind
from sandbox.aws import SandboxAws
from settings import Settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from tests.api.conftest import page_client
from tests.cli.executions import CHAIN, DIAMOND, START, begin, put
from tests.recovery.step_plans import plan_with_steps, read, step
from tests.static_tokens import token_of, token_settings

_TOKENS = token_settings(ops=["operator"], vic=["viewer"])


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a page's first data takes longer than a person would wait."""
    monkeypatch.setattr(live_page, "_FIRST_SNAPSHOT_SECONDS", 30.0)


@pytest.fixture
async def history(plans: PlanTable) -> HistoryTable:
    table = HistoryTable(Settings())
    await table.create()
    return table


@pytest.fixture
async def client(history: HistoryTable) -> AsyncIterator[httpx.AsyncClient]:
    async with page_client(Settings()) as client:
        yield client


async def record_end(
    history: HistoryTable, kind: ExecutionType, end_time: float | None = START + 400
) -> None:
    """Record an execution of the chain that ended with one wave of three up."""
    state = begin(CHAIN, kind)
    put(state, "Database", WaveStatus.COMPLETED, launched=2, start=START, end=START + 300)
    put(state, "App", WaveStatus.FAILED)
    state.end_time = end_time
    if end_time is not None:
        state.status = PlanStatus.FAILED
    for wave in state.waves:
        wave.revision = 1
    await history.write(
        HistoryRecord(
            execution_id=state.execution_id,
            execution=state.without_waves(),
            plan=CHAIN,
            waves=state.waves,
        )
    )


async def test_the_page_shows_versions_waves_and_executions(
    plans: PlanTable, history: HistoryTable, client: httpx.AsyncClient
) -> None:
    await plans.register(CHAIN, author="ada")
    await plans.register(DIAMOND, author="bo")
    await record_end(history, ExecutionType.DRILL)
    page = await client.get("/plans/crm")
    assert page.status_code == 200
    for text in ("4 waves, 8 servers", "by bo", 'href="/executions/crm-0f3b52a1c7d9"', "6:40"):
        assert text in page.text
    assert "/plans/crm/difference?before=1&amp;after=2" in page.text
    assert 'href="/plans/crm/edit"' in page.text
    assert " style=" not in page.text


async def test_what_the_last_execution_left_can_be_continued_with_its_plan_or_the_newest(
    plans: PlanTable, history: HistoryTable, client: httpx.AsyncClient
) -> None:
    await record_end(history, ExecutionType.RECOVERY)
    # Continued it can be without a registered plan, too.
    page = (await client.get("/plans/crm")).text
    assert "2 of 6 servers are recorded as up" in page
    assert 'data-ask="continue" data-wave="crm-0f3b52a1c7d9"' in page
    assert 'data-ask="relaunch"' not in page
    assert 'data-ask="drill"' not in page
    await plans.register(DIAMOND, author="bo")
    async with page_client(Settings()) as another:
        page = (await another.get("/plans/crm")).text
    assert 'data-wave="crm-0f3b52a1c7d9@1"' in page
    assert 'data-ask="relaunch" data-wave="crm-0f3b52a1c7d9"' in page


@pytest.mark.parametrize("closed", ["TERMINATED", None])
async def test_a_terminated_execution_can_be_continued_but_none_that_runs(
    history: HistoryTable,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    closed: str | None,
) -> None:
    await record_end(history, ExecutionType.RECOVERY, end_time=None)

    async def none_listed(*_: object) -> list[ExecutionRow]:
        return []

    async def described(*_: object) -> str | None:
        return closed

    async def connected(*_: object) -> None:
        return None

    monkeypatch.setattr(overview, "running_executions", none_listed)
    monkeypatch.setattr(plan_poller, "closed_status", described)
    monkeypatch.setattr(service, "connect_to_temporal", connected)
    page = (await client.get("/plans/crm")).text
    is_offered = 'data-ask="continue" data-wave="crm-0f3b52a1c7d9"' in page
    assert is_offered is (closed is not None)
    assert ("no longer runs</strong>; its end was not recorded" in page) is is_offered


async def test_a_viewer_may_start_nothing_and_a_stranger_sees_nothing(
    plans: PlanTable, history: HistoryTable
) -> None:
    await plans.register(CHAIN, author="ada")
    await record_end(history, ExecutionType.RECOVERY)
    async with page_client(Settings(api_tokens=_TOKENS)) as client:
        for path in ("/plans/crm", "/plans/crm/edit", "/plans/new", "/executions.csv"):
            assert (await client.get(path)).headers["location"].startswith("/sign-in"), path
        client.cookies.set("drs_waves_token", token_of("vic"))
        page = (await client.get("/plans/crm")).text
    buttons = [line for line in page.splitlines() if "data-ask=" in line]
    assert len(buttons) == 4
    assert all(" disabled>" in each for each in buttons)


async def test_two_versions_are_compared_on_a_page_and_by_the_api(
    plans: PlanTable, client: httpx.AsyncClient
) -> None:
    await plans.register(CHAIN, author="ada")
    await plans.register(DIAMOND, author="bo")
    page = await client.get("/plans/crm/difference?before=1&after=2")
    assert "+ wave Web (w3): 2 servers, after w1, w2" in page.text
    answer = (await client.get("/api/plans/crm/difference?before=1&after=2")).json()
    assert "+ wave Web (w3): 2 servers, after w1, w2" in answer["Differences"]
    assert answer["Before"]["Author"] == "ada"


@pytest.mark.parametrize(
    "path",
    [
        "/plans/other/edit",
        "/plans/other/difference?before=1&after=2",
        "/plans/other/difference?before=x",
        f"/plans/other/difference?before=1&after={'9' * 50}",
        f"/plans/other/difference?before=1&after={'9' * 5000}",
        "/nothing/here",
        "/executions.xml",
    ],
)
async def test_an_unknown_address_is_a_page_with_status_404(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="/"' in answer.text
    of_api = await client.get("/api/plans/other")
    assert (of_api.status_code, of_api.headers["content-type"]) == (404, "application/problem+json")


async def test_without_dynamodb_the_difference_is_a_page_that_says_so(
    plans: PlanTable, client: httpx.AsyncClient, aws: SandboxAws
) -> None:
    await plans.register(CHAIN, author="ada")
    aws.stop()
    answer = await client.get("/plans/crm/difference?before=1&after=1")
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "Not available" in answer.text
    assert "drs-waves-plans" in answer.text or "plan table" in answer.text


async def test_a_version_that_no_plan_has_continues_nothing(
    history: HistoryTable, client: httpx.AsyncClient
) -> None:
    await record_end(history, ExecutionType.DRILL)
    dialog = await client.get(
        "/plans/crm/dialogs/continue", params={"about": f"crm-0f3b52a1c7d9@{'9' * 50}"}
    )
    assert "there is no version" in dialog.text


def test_durations_are_compared_with_the_completed_execution_before() -> None:
    def row(number: int, seconds: float, status: PlanStatus) -> ExecutionRow:
        return ExecutionRow(
            execution_id=f"crm-{number}",
            plan_id="crm",
            status=status,
            start_time=START + 1000 * number,
            end_time=START + 1000 * number + seconds,
        )

    rows = [
        row(3, 300.0, PlanStatus.COMPLETED),
        row(2, 100.0, PlanStatus.FAILED),
        row(1, 600.0, PlanStatus.COMPLETED),
    ]
    newest, failed, oldest = trend(rows, 1200.0)
    # A failure that came early is no shorter recovery.
    assert (newest.change, failed.change, oldest.change) == ("5 min shorter", "", "")
    assert (newest.share, newest.expected_share) == (25.0, 100.0)


def test_the_steps_of_a_wave_are_listed_with_when_they_run() -> None:
    steps = [step(StepKind.TCP, "reachable"), step(StepKind.LAMBDA, "promote", When="RECOVERY")]
    html = waves_of(read(plan_with_steps(steps, cutover=[step(StepKind.MANUAL, "confirm")])))
    assert "<li>reachable: Tcp, after launch</li>" in html
    assert "<li>promote: Lambda, in a RECOVERY only, after launch</li>" in html
    assert "<li>confirm: Manual</li>" in html
    assert "1 server, 2 steps" in html
    assert "0 servers" not in html

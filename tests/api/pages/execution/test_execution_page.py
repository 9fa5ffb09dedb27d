"""The page, the API and the terminal list the same messages that were sent to channels."""

import httpx

from client.remote.api_client import ApiClient
from client.remote.recoveries import ApiRecoveries
from recovery.notify.notifier_state import DeliveryRecord
from sandbox.aws import SandboxAws
from settings import Settings
from storage.history import HistoryTable
from tests.api.conftest import page_client

ID = "crm-0f3b52a1c7d9"
START = 1_700_000_000.0


def record(number: int, error: str | None = None) -> DeliveryRecord:
    """What became of a message."""
    return DeliveryRecord(
        notification_id=f"{number:04}",
        channel="<b>on-call</b>",
        time=START + number,
        items=1,
        keys=[f"{ID}/ASKED/FAILURE/web/{number}"],
        execution_ids=[ID],
        attempts=2 if error else 1,
        error=error,
    )


def recoveries(client: httpx.AsyncClient) -> ApiRecoveries:
    """The executions through the API, as a laptop sees them."""

    async def token(_: bool) -> None:
        return None

    return ApiRecoveries(ApiClient("http://127.0.0.1", token, client._transport))


async def test_page_api_and_terminal_show_the_same_messages(aws: SandboxAws) -> None:
    table = HistoryTable(Settings())
    await table.create()
    async with page_client(Settings()) as client:
        page = await client.get(f"/executions/{ID}/notifications")
        assert "No channel got a message" in page.text
        sent = [record(1, "HTTP 503 <later>"), *(record(number) for number in range(2, 103))]
        await table.add_deliveries(sent)
        assert await recoveries(client).deliveries(ID) == sent
        listed = await client.get(f"/api/executions/{ID}/notifications")
        assert [each["Time"] for each in listed.json()["Notifications"]] == [s.time for s in sent]
        page = await client.get(f"/executions/{ID}/notifications")
    newest, oldest = page.text.index("ASKED FAILURE/web/102 "), page.text.index("FAILURE/web/3 ")
    assert newest < oldest
    assert "&lt;b&gt;on-call" in page.text
    assert "✓ delivered" in page.text
    assert f"and 2 earlier: <code>drs-waves notify sent {ID}" in page.text
    assert "FAILURE/web/1 " not in page.text


async def test_a_message_that_was_not_delivered_says_why(aws: SandboxAws) -> None:
    table = HistoryTable(Settings())
    await table.create()
    await table.add_deliveries([record(1, "HTTP 503 <later>")])
    async with page_client(Settings()) as client:
        page = await client.get(f"/executions/{ID}/notifications")
    assert "✗ not delivered in 2 attempts: HTTP 503 &lt;later&gt;" in page.text


async def test_without_the_history_the_page_says_why_nothing_is_listed(aws: SandboxAws) -> None:
    async with page_client(Settings()) as client:
        page = await client.get(f"/executions/{ID}/notifications")
    assert page.status_code == 503
    assert "drs-waves-history" in page.text

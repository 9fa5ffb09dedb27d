"""The editor says what is wrong as `validate` does, and registers no version that nobody saw."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from recovery.plan.file.writer import plan_text
from settings import Settings
from storage.plans import PlanTable
from tests.api.conftest import page_client
from tests.cli.executions import CHAIN, DIAMOND
from tests.static_tokens import token_of, token_settings

_TOKENS = token_settings(vic=["viewer"])


@pytest.fixture
async def client(plans: PlanTable) -> AsyncIterator[httpx.AsyncClient]:
    async with page_client(Settings()) as client:
        yield client


async def checked(
    client: httpx.AsyncClient, text: str, *, plan_id: str = "crm", opened: int = 1
) -> dict[str, str]:
    """The parts of the editor for a text."""
    fields = {"text": text, "plan_id": plan_id, "opened": str(opened)}
    answer = await client.post("/editor/check", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_problems_have_the_lines_and_words_of_validate(client: httpx.AsyncClient) -> None:
    text = plan_text(CHAIN).replace("DependsOnWaveId: w0", "DependsOnWaveId: w9")
    parts = await checked(client, text)
    line = text.splitlines().index("  - DependsOnWaveId: w9") + 1
    assert f'data-line="{line}"' in parts["problems"]
    assert "1 problem" in parts["problems"]
    assert "w9" in parts["problems"]
    assert "disabled" in parts["difference"]
    # The graph of the text as it was before stays.
    assert "plan-graph" not in parts


async def test_the_difference_is_shown_before_a_version_is_registered(
    client: httpx.AsyncClient, plans: PlanTable
) -> None:
    await plans.register(CHAIN, author="ada")
    opened = await client.get("/plans/crm/edit")
    assert "PlanId: crm\nPlanName: CRM\n" in opened.text
    assert "nothing to register" in opened.text
    assert " style=" not in opened.text
    parts = await checked(client, plan_text(DIAMOND))
    assert "+ wave Web (w3): 2 servers, after w1, w2" in parts["difference"]
    assert "Register version 2" in parts["difference"]
    assert "Warning" not in parts["difference"]
    assert parts["plan-graph"].count('class="edge"') == 4
    fields = {"text": plan_text(DIAMOND), "plan_id": "crm", "version": "1"}
    answer = await client.post("/editor/register", json=fields)
    assert json.loads(answer.text) == "/plans/crm"
    newest = await plans.plan("crm")
    assert newest is not None
    assert (newest.version.version, newest.plan.plan_hash) == (2, DIAMOND.plan_hash)


async def test_a_version_that_somebody_else_registered_is_not_replaced_unseen(
    client: httpx.AsyncClient, plans: PlanTable
) -> None:
    await plans.register(CHAIN, author="ada")
    await plans.register(DIAMOND, author="bo")
    text = plan_text(CHAIN.model_copy(update={"owner": "ada"}))
    fields = {"text": text, "plan_id": "crm", "version": "1"}
    refused = await client.post("/editor/register", json=fields)
    assert refused.status_code == 409
    assert "version 1 is not the newest; bo registered version 2" in refused.text
    known = await plans.plan("crm")
    assert known is not None
    assert known.version.version == 2
    # Now it is shown; what is pressed next is about version 2.
    difference = (await checked(client, text))["difference"]
    assert "registered after version 1" in difference
    assert "- wave Web" in difference
    assert 'name="version" value="2"' in difference
    answer = await client.post("/editor/register", json=fields | {"version": "2"})
    assert answer.status_code == 200
    plan = DIAMOND.model_dump(mode="json", exclude_none=True)
    by_api = await client.post("/api/plans/crm/versions?after=2", json=plan)
    assert by_api.status_code == 409


async def test_the_editor_of_a_plan_registers_no_other_plan(client: httpx.AsyncClient) -> None:
    text = plan_text(CHAIN.model_copy(update={"plan_id": "other"}))
    assert "this is the editor of crm" in (await checked(client, text))["problems"]
    fields = {"text": text, "plan_id": "crm", "version": "0"}
    assert (await client.post("/editor/register", json=fields)).status_code == 422
    new = await checked(client, text, plan_id="", opened=0)
    assert "other is not registered yet" in new["difference"]


async def test_a_viewer_may_check_and_not_register(plans: PlanTable) -> None:
    async with page_client(Settings(api_tokens=_TOKENS)) as client:
        fields = {"text": plan_text(CHAIN), "plan_id": "", "opened": "0", "version": "0"}
        assert (await client.post("/editor/check", json=fields)).status_code == 401
        client.cookies.set("drs_waves_token", token_of("vic"))
        assert "needs the operator role" in (await checked(client, fields["text"]))["difference"]
        refused = await client.post("/editor/register", json=fields)
    assert refused.status_code == 403
    assert await plans.plan("crm") is None

"""The page of a plan: what is shown before a start is what is then launched, and never twice."""

import re

import httpx
import pytest

from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import E2eEnvironment
from tests.end_to_end.pages.conftest import Open, register
from tests.end_to_end.pages.test_steering import assert_accessible, has_focus


async def half_recovered(env: E2eEnvironment) -> tuple[RecoveryPlan, ExecutionState]:
    """A registered plan, and its recovery that ended with Web FAILED and the others up."""
    bad = env.aws.servers(1, Outcome="failed-late", RawError="InsufficientInstanceCapacity")
    waves = [env.wave("Database"), env.wave("Cache"), env.wave("Web", "Database", servers=bad)]
    plan = env.plan(*waves)
    await register(plan)
    recovery = ExecutionType.RECOVERY
    state = await env.run(plan, execution_type=recovery, confirmation=plan.plan_id)
    assert state.status is PlanStatus.FAILED
    return plan, state


def launches(env: E2eEnvironment, plan: RecoveryPlan) -> list[int]:
    """How often AWS accepted a launch of each server."""
    return [len(env.aws.accepted_launches(i)) for wave in plan.waves for i in wave.server_ids]


@pytest.mark.slow
async def test_a_recovery_is_continued_once_and_what_is_up_is_relaunched_only_if_chosen(
    env: E2eEnvironment, served: str
) -> None:
    plan, state = await half_recovered(env)
    [database] = plan.waves[0].server_ids
    page = f"{served}/plans/{plan.plan_id}"
    about = f"about={state.execution_id}"
    async with httpx.AsyncClient(timeout=60.0) as client:
        opened = (await client.get(f"{page}/dialogs/continue?{about}")).text
        assert "<dt>Keeps</dt><dd><strong>2 servers that are recorded as up" in opened
        assert "<dt>Launches</dt><dd><strong>1 server in 1 wave" in opened
        assert f'data-needs="{plan.plan_id}"' in opened
        address, fields = f"{page}/dialogs/continue?{about}", {"key": "once"}
        refused = await client.post(address, json=fields)
        assert refused.status_code == 422
        assert "needs the PlanId" in refused.text
        typed = fields | {"typed": plan.plan_id}
        done = await client.post(address, json=typed)
        (started,) = re.findall(r'href="/executions/([^"]+)" autofocus', done.text)
        # While it runs: another one is refused with a link to it, the same one is not.
        other = await client.post(address, json=typed | {"key": "another"})
        assert other.status_code == 409
        assert other.headers["content-location"] == f"/executions/{started}"
        assert "drs-waves" not in other.text
        opened = (await client.get(f"{page}/dialogs/drill?about={plan.plan_id}")).text
        assert f'href="/executions/{started}" autofocus' in opened
        assert started in (await client.post(address, json=typed)).text
        await env.end(plan, started)
        assert launches(env, plan) == [1, 1, 2]

        about = f"about={started}"
        opened = (await client.get(f"{page}/dialogs/relaunch?{about}")).text
        assert opened.count('type="checkbox"') == 2
        details = (await client.get(f"{page}/dialogs/relaunch/details?{about}")).text
        assert "2 servers that are listed below" in details
        chosen = typed | {"key": "relaunch", f"relaunch:{database}": "yes", "version": "1"}
        done = await client.post(f"{page}/dialogs/relaunch?{about}", json=chosen)
        (started,) = re.findall(r'href="/executions/([^"]+)" autofocus', done.text)
        await env.end(plan, started)
        assert launches(env, plan) == [2, 1, 3]
        unknown = await client.get(f"{served}/plans/no-such-plan")
        assert (unknown.status_code, "there is no plan" in unknown.text) == (404, True)
        assert (await client.get(f"{served}/plans/crm%0A")).status_code == 404
        listed = await client.get(f"{served}/executions.csv")
        assert f"{state.execution_id},{plan.plan_id}" in listed.text


@pytest.mark.slow
async def test_a_plan_is_found_edited_and_started_by_keyboard(
    env: E2eEnvironment, served: str, open_page: Open
) -> None:
    plan = env.plan(env.wave("Database"), env.wave("Web", "Database"), plan_name="Found by key")
    await register(plan)
    tab = await open_page(served, phone=True)
    page = tab.page
    await tab.sees(".plans", "Found by key")
    await page.keyboard.press("/")
    assert await has_focus(tab, "#filter")
    await page.keyboard.type(f"found {plan.plan_id}")
    await tab.sees("#filter-count", "1 of ")
    await page.get_by_role("link", name="Found by key").focus()
    await page.keyboard.press("Enter")
    await tab.sees("h1", "Found by key")
    await assert_accessible(tab)
    assert await tab.is_as_wide_as_its_window()

    await page.get_by_role("link", name="Edit").focus()
    await page.keyboard.press("Enter")
    written = await page.get_by_label("Plan file").input_value()
    await page.get_by_label("Plan file").fill(f"{written}Onwer: ada\n")
    await page.get_by_role("button", name="Line").focus()
    await page.keyboard.press("Enter")
    assert await has_focus(tab, "#plan-file")
    await page.keyboard.type("Owner: ada")
    await tab.sees("#difference", "~ plan: Owner (none) → ada")
    await assert_accessible(tab)
    assert await tab.is_as_wide_as_its_window()
    await page.get_by_role("button", name="Register version 2").focus()
    await page.keyboard.press("Enter")
    await tab.sees("#plan-head", "ada")

    await page.get_by_role("button", name="Start drill").focus()
    await page.keyboard.press("Enter")
    await tab.sees("#dialog-details", "Checked by the worker")
    await page.get_by_role("button", name="Start the drill").focus()
    await page.keyboard.press("Enter")
    await tab.sees("#dialog", "has been started")
    # What one wants next has the focus.
    await page.keyboard.press("Enter")
    await tab.sees("#head h1", "Found by key")
    await env.end(plan, page.url.rpartition("/")[2])


async def test_a_drill_at_a_point_in_time_shows_its_snapshots_before_it_starts(
    env: E2eEnvironment, served: str
) -> None:
    plan = env.plan(env.wave("Database", servers=2))
    await register(plan)
    address = f"{served}/plans/{plan.plan_id}/dialogs/drill?about={plan.plan_id}"
    async with httpx.AsyncClient(timeout=60.0) as client:
        opened = (await client.get(address)).text
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', opened))
        wrong = await client.post(address, json=fields | {"point": "2026-11-26 14:00"})
        assert "has no zone" in wrong.text
        late = await client.post(address, json=fields | {"point": "-8d"})
        assert "no server has a snapshot at or before" in late.text
        shown = await client.post(address, json=fields | {"point": "-2h", "spread": "15m"})
        assert "2 snapshots from" in shown.text
        assert launches(env, plan) == [0, 0]
        kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown.text))
        assert kept["spread"] == "15m"
        other = await client.post(address, json=kept | {"points_hash": "0" * 64, "key": "other"})
        assert "other snapshots are chosen now than were shown" in other.text
        done = await client.post(address, json=kept)
        (started,) = re.findall(r'href="/executions/([^"]+)" autofocus', done.text)
        state = await env.end(plan, started)
        assert state.status is PlanStatus.COMPLETED
        assert state.point_in_time is not None
        [wave] = state.waves
        for server in wave.servers:
            chosen = wave.chosen_points[server.source_server_id]
            assert f"{chosen.snapshot_id}" in shown.text
            assert server.recovery_point == pytest.approx(chosen.time, abs=0.001)


async def test_a_drill_of_a_plan_by_tags_shows_its_servers_before_it_starts(
    env: E2eEnvironment, served: str
) -> None:
    plan = env.plan(env.wave("Database", servers=0))
    tags = {"App": plan.plan_id}
    plan.waves[0].servers_by_tag = tags
    servers = env.aws.servers(3, Tags=tags)
    await register(plan)
    address = f"{served}/plans/{plan.plan_id}/dialogs/drill?about={plan.plan_id}"

    async with httpx.AsyncClient(timeout=60.0) as client:

        async def opened() -> dict[str, str]:
            return hidden((await client.get(address)).text)

        fields = await opened()
        shown = await client.post(address, json=fields)
        assert f"Database (App={plan.plan_id}): 3 servers" in shown.text
        assert launches(env, plan) == []
        other = {"plan_hash": "0" * 64, "key": "other"}
        refused = await client.post(address, json=hidden(shown.text) | other)
        assert "it would have other servers, or be another plan, than was shown" in refused.text
        done = await client.post(address, json=hidden(shown.text))
        (started,) = re.findall(r'href="/executions/([^"]+)" autofocus', done.text)
        state = await env.end(plan, started)
        assert [each.source_server_id for each in state.waves[0].servers] == servers

        env.aws.apply(SourceServers=[{"SourceServerId": servers[0], "Tags": {"App": "old"}}])
        shown = await client.post(address, json=await opened())
        assert "Start the drill with fewer servers" in shown.text
        unconfirmed = await client.post(address, json=hidden(shown.text))
        assert "Database has 2 servers" in unconfirmed.text
        fields = hidden(shown.text) | {"accept": "yes"}
        done = await client.post(address, json=fields)
        (started,) = re.findall(r'href="/executions/([^"]+)" autofocus', done.text)
        state = await env.end(plan, started)
        assert [each.source_server_id for each in state.waves[0].servers] == servers[1:]


def hidden(html: str) -> dict[str, str]:
    """The hidden fields of a form."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))

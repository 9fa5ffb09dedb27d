"""Coverage as a pipeline asks for it: servers in no plan, plans that no drill has proved."""

import asyncio
import json
from typing import Any

from typer.testing import CliRunner

from cli.app import app
from recovery.execution.state import PlanStatus
from settings import get_settings
from storage.plans import PlanTable
from tests.cli.json_outputs import check
from tests.end_to_end.conftest import E2eEnvironment


async def coverage() -> tuple[int, dict[str, Any]]:
    """The exit code, and what was printed; the worker of the test logs to the same place."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["coverage", "--json"])
    text = result.stdout[result.stdout.index("{\n") :]
    found, _ = json.JSONDecoder().raw_decode(text)
    check("coverage", json.dumps(found))
    return result.exit_code, found


def codes(found: dict[str, Any]) -> list[str]:
    return [gap["Code"] for gap in found["Gaps"]]


async def test_gaps_show_until_each_server_is_in_a_plan_that_was_drilled(
    env: E2eEnvironment,
) -> None:
    plans = PlanTable(get_settings())
    wave = env.wave("Database", servers=2)
    plan = env.plan(wave)
    await plans.register(plan, author="ops")
    (forgotten,) = env.aws.servers(1)
    code, found = await coverage()
    assert (code, codes(found)) == (1, ["IN_NO_PLAN", "NEVER_DRILLED"])
    assert found["Gaps"][0]["SourceServerId"] == forgotten
    assert found["Gaps"][0]["AccountId"] == env.aws.account_id

    other = env.plan(env.wave("App", servers=[forgotten, wave.server_ids[0]]))
    await plans.register(other, author="ops")
    _, found = await coverage()
    assert codes(found) == ["IN_SEVERAL_PLANS", "NEVER_DRILLED", "NEVER_DRILLED"]
    # A version without the server that the first plan has too.
    other.waves[0].servers = other.waves[0].servers[:1]
    await plans.register(other, author="ops")

    for each in (plan, other):
        assert (await env.run(each)).status is PlanStatus.COMPLETED
    code, found = await coverage()
    assert (code, codes(found)) == (0, [])

    await plans.register(plan.model_copy(update={"rto": 30}), author="ops")
    code, found = await coverage()
    assert (code, codes(found)) == (1, ["CHANGED_SINCE_DRILL"])
    assert found["Gaps"][0]["PlanIds"] == [plan.plan_id]

    env.aws.apply(Faults=[{"Operation": "DescribeSourceServers", "Error": "AccessDeniedException"}])
    code, found = await coverage()
    assert (code, codes(found)) == (1, ["UNKNOWN", "CHANGED_SINCE_DRILL"])
    assert found["Gaps"][0]["Permission"] == "drs:DescribeSourceServers"
    env.aws.clear_faults()

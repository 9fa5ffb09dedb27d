"""A recovery that asks, and the channels that hear of it, at a test's own receivers."""

import json
from pathlib import Path

from client.start import start_execution
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment


def channel_variables(env: E2eEnvironment, folder: Path) -> dict[str, str]:
    """The variables of workers that notify a web hook and a pager."""
    url = f"{env.aws.url}/_receivers/{env.aws.account_id}"
    hook = {"Url": f"{url}/web-hook", "Secret": {"Env": "HOOK_KEY"}}
    pager = {"RoutingKey": {"Env": "PAGER_KEY"}, "Endpoint": f"{url}/pager-duty/v2/enqueue"}
    channels = [{"Name": "hook", "WebHook": hook}, {"Name": "pager", "PagerDuty": pager}]
    file = folder / "channels.json"
    file.write_text(json.dumps({"Channels": channels}))
    return {
        "DRS_WAVES_NOTIFY_FILE": str(file),
        "PAGER_KEY": "0" * 32,
        "HOOK_KEY": "the-key-of-the-hook",
    }


async def asking(env: E2eEnvironment) -> tuple[RecoveryPlan, str]:
    """A recovery whose first wave fails, so that it asks."""
    broken = env.aws.servers(1, Outcome="failed-early")
    plan = env.plan(env.wave("Database", servers=broken), env.wave("Web", "Database"))
    execution_id = await start_execution(
        env.client,
        plan,
        execution_type=RECOVERY,
        confirmation=plan.plan_id,
        started_by="ops",
    )
    await env.until(plan, lambda state: state.open_decisions)
    return plan, execution_id


async def incidents_are_resolved(env: E2eEnvironment) -> bool:
    """Whether the pager had incidents, and none is open."""
    last = {
        m["Incident"].split()[0]: m["Incident"].split()[1]
        for m in env.aws.messages("pager-duty")
        if m["Incident"] not in (None, "none")
    }
    return bool(last) and set(last.values()) == {"resolved"}

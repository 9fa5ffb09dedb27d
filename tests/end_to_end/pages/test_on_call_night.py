"""A night on call, on a terminal and on a page at once; what they say is compared with AWS."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from recovery.execution.wave import WaveStatus
from recovery.plan.model import OnFailure, RecoveryPlan
from tests.end_to_end.conftest import SPEED, E2eEnvironment, wave_of
from tests.end_to_end.pages.conftest import Open, Tab
from tests.end_to_end.pages.test_steering import assert_accessible, tab_to
from tests.end_to_end.terminal import Terminal, terminal
from tests.end_to_end.worker_processes import start_worker

# From a worker's death to the sentence that says so.
_SAID_SECONDS = 30.0
_COUNT = re.compile(r"(\d+)/(\d+)")


@dataclass
class Ledger:
    """What is truly up, by AWS's own ledger."""

    env: E2eEnvironment
    plan: RecoveryPlan

    def up(self, name: str) -> int:
        """The servers of a wave that are up."""
        wave = next(each for each in self.plan.waves if each.wave_name == name)
        return sum(bool(self.env.aws.instances_up(each)) for each in wave.server_ids)

    def up_in_all(self) -> int:
        """The servers of the plan that are up."""
        return sum(self.up(wave.wave_name) for wave in self.plan.waves)

    def launches(self, server_id: str) -> int:
        """The jobs that AWS accepted for a server."""
        return len(self.env.aws.accepted_launches(server_id))


@dataclass
class Night:
    """The screens of one execution, and the truth."""

    ledger: Ledger
    screen: Terminal
    tab: Tab

    async def agree(self, name: str, status: str) -> None:
        """Both screens show a wave's status, and as many servers as are truly up."""
        wave = next(each for each in self.ledger.plan.waves if each.wave_name == name)
        up = f"{self.ledger.up(name)}/{len(wave.server_ids)}"
        shown = await self.screen.sees(f"{status} {name}")
        row = next(line for line in shown.splitlines() if name in line and status in line)
        assert up in row, (up, shown)
        await self.tab.shows(wave.wave_id, status)
        await self.tab.shows(wave.wave_id, up)

    async def never_more_than_is_up(self) -> None:
        """Compare, until cancelled, each number on both screens with what is up afterwards."""
        while True:
            on_page = await self.tab.page.locator("button.node").all_inner_texts()
            rows = [*self.screen.screen.splitlines(), *(" ".join(t.split()) for t in on_page)]
            for wave in self.ledger.plan.waves:
                for row in rows:
                    found = _COUNT.search(row)
                    if wave.wave_name in row and found:
                        assert int(found[1]) <= self.ledger.up(wave.wave_name), row
            await asyncio.sleep(0.5)


@pytest.fixture
def plan_and_broken(env_without_worker: E2eEnvironment) -> tuple[RecoveryPlan, str]:
    """A plan, and its server that fails twice. Reports come up after their time is over."""
    env = env_without_worker
    (broken,) = env.aws.servers(1, Outcome=["failed-late", "failed-late", "launched"])
    (slow,) = env.aws.servers(1, Outcome="stuck", StuckSeconds=14 * SPEED)
    plan = env.plan(
        env.wave("Directory", servers=2),
        env.wave("Database", "Directory", servers=[*env.aws.servers(1), broken]),
        env.wave("App", "Database", servers=2),
        env.wave(
            "Reports",
            "Directory",
            servers=[slow],
            timeout_seconds=4 * SPEED,
            on_failure=OnFailure.CONTINUE,
        ),
        plan_name="Webshop",
    )
    return plan, broken


@pytest.mark.slow
async def test_every_number_of_a_night_on_call_is_true(
    env_without_worker: E2eEnvironment,
    plan_and_broken: tuple[RecoveryPlan, str],
    served: str,
    open_page: Open,
    tmp_path: Path,
) -> None:
    env = env_without_worker
    plan, broken = plan_and_broken
    ledger = Ledger(env, plan)
    file = tmp_path / "webshop.json"
    file.write_text(plan.model_dump_json(exclude_none=True))
    await start_worker(env, "worker-1")

    async with terminal("run", str(file), "--recovery", env=env.stack.env) as screen:
        await screen.sees("Launches 7 servers in 4 waves", "7 of 7 source servers were seen")
        await screen.sees("Type the PlanId to start it")
        assert env.client.namespace in screen.text
        assert env.aws.account_id in screen.text
        assert ledger.up_in_all() == 0
        screen.type(f"{plan.plan_id}\r")
        await screen.sees("IN_PROGRESS")
        state = await env.until(plan, lambda state: state.waves)
        execution_id = state.execution_id
        tab = await open_page(f"{served}/executions/{execution_id}")
        await tab.sees("#head", "RECOVERY")
        night = Night(ledger, screen, tab)
        watch = asyncio.create_task(night.never_more_than_is_up())

        # Database fails, and asks.
        await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
        await night.agree("Database", "FAILED")
        await screen.sees("to decide", "App will not be launched", "Keys: r retry · a accept")
        await tab.sees("#attention", "Database")

        # The worker dies; what was sent meanwhile is queued.
        await asyncio.to_thread(env.stack.stop_part, "worker-1", kill=True)
        await screen.sees("No worker answers", "drs-waves worker", within=_SAID_SECONDS)
        await tab.sees("#old", "No worker answers", within=_SAID_SECONDS)
        await press(tab, '#attention [data-ask="retry_wave"]')
        await tab.sees("#dialog h2", "Retry: Database")
        await press(tab, "#dialog button.main")
        await tab.sees("#dialog", "Queued until a worker is available")
        await tab.page.keyboard.press("Escape")
        assert ledger.launches(broken) == 1

        # It fails again, and is accepted as it is.
        await start_worker(env, "worker-2")
        await env.until(plan, lambda s: wave_of(s, "Database").attempt == 2)
        await env.until(plan, lambda s: wave_of(s, "Database").status is WaveStatus.FAILED)
        await night.agree("Database", "FAILED")
        assert ledger.launches(broken) == 2
        assert ledger.up("App") == 0
        screen.type("a")
        await screen.sees("reason (Enter for none")
        screen.type("good enough\r")
        await screen.sees("Send it?", f"although Database is {ledger.up('Database')} of 2 up")
        screen.type("y")
        await tab.shows("app", "COMPLETED", within=60)
        await night.agree("App", "COMPLETED")
        await night.agree("Database", "FAILED")

        # Reports come after their time.
        await env.until(plan, lambda s: wave_of(s, "Reports").late)
        assert await screen.exit_code() == 3
        await screen.sees("PARTIAL", "Reports came up late")
        up = ledger.up_in_all()
        assert up == 6
        await screen.sees(f"Keep the {up} up, launch the other 1", f"run --from {execution_id}")
        await tab.sees("#head .plan", "PARTIAL")
        await tab.shows("reports", "late")
        await assert_accessible(tab)
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch

    # What is up is kept, what is not is launched.
    again = ("run", "--from", execution_id, "--recovery")
    async with terminal(*again, env=env.stack.env, columns=80, lines=24) as screen:
        await screen.sees("Keeps 6 servers", "Launches 1 server in 1 wave")
        screen.type(f"{plan.plan_id}\r")
        assert await screen.exit_code() == 0
        await screen.sees("COMPLETED")
    continued = (await env.table.executions(plan_id=plan.plan_id, limit=1))[0].execution_id
    assert ledger.launches(broken) == 3
    assert ledger.up_in_all() == 7
    assert sum(ledger.launches(i) for wave in plan.waves for i in wave.server_ids) == 9

    # A clean-up terminates what each execution launched itself, and says how many.
    async with terminal("cleanup", execution_id, "--force", env=env.stack.env) as screen:
        await screen.sees("6 recovery instances", "will be TERMINATED")
        screen.type(f"{plan.plan_id}\r")
        assert await screen.exit_code() == 0
    assert ledger.up_in_all() == 1
    tab = await open_page(f"{served}/executions/{continued}")
    await press(tab, '[data-ask="clean_up"]')
    await tab.sees("#dialog", "1 recovery instance that")
    await tab.page.get_by_label("Type the PlanId").focus()
    await tab.page.keyboard.type(plan.plan_id)
    await press(tab, "#dialog button.main")
    await tab.sees("#dialog", "The clean-up has started")
    await tab.page.keyboard.press("Escape")
    await tab.sees("#cleanup", "COMPLETED")
    assert ledger.up_in_all() == 0
    await assert_accessible(tab)


async def press(tab: Tab, selector: str) -> None:
    """Go to a button by Tab, and press Enter."""
    await tab_to(tab, selector)
    await tab.page.keyboard.press("Enter")

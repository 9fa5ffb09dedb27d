"""Measures the delay of a change in Temporal on an open page: `python -m bench.page_lag`.

The bench pauses and resumes an execution that waits for an approval. The delay is the time from the
response of the update until Chromium shows the new status. The target is 2 s.
"""

import argparse
import statistics
import sys
import time
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from playwright.async_api import Page

from bench.browser import running_browser, window
from bench.testbed import ACCOUNT, REGION, Testbed, run_bench, running_testbed, scratch_folder
from client.executions import require_running
from client.start import start_execution
from client.steering import send
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.plan.model import RecoveryPlan, Server, Wave

_TARGET_SECONDS = 2.0
_SERVER_ID = "s-00000000000abcdef"


@asynccontextmanager
async def _opened(testbed: Testbed, plan: RecoveryPlan) -> AsyncIterator[Page]:
    execution_id = await start_execution(testbed.client, plan)
    await to_thread(testbed.stack.start_server)
    async with running_browser() as browser, window(browser) as context:
        page = await context.new_page()
        await page.goto(f"{testbed.stack.pages_url}/executions/{execution_id}")
        await page.get_by_text("Waiting for approval").first.wait_for()
        yield page


async def _measure(rounds: int) -> list[float]:
    lags = []
    where = {"SourceServerId": _SERVER_ID, "Region": REGION, "AccountId": ACCOUNT}
    servers = [Server(source_server_id=_SERVER_ID)]
    wave = Wave(wave_id="web", servers=servers, region=REGION, approval_required=True)
    plan = RecoveryPlan(plan_id="lag", region=REGION, waves=[wave])
    with scratch_folder([]) as folder:
        async with running_testbed(folder, speed=60.0, workers=1) as testbed:
            await testbed.aws.apply(SourceServers=[where])
            async with _opened(testbed, plan) as page:
                running = await require_running(testbed.client, plan.plan_id)
                send_message = partial(send, testbed.client, running, actor="bench")
                for number in range(rounds):
                    pause = number % 2 == 0
                    name = MessageName.PAUSE if pause else MessageName.RESUME
                    await send_message(OperatorMessage(name))
                    started = time.monotonic()
                    word = "PAUSED" if pause else "IN_PROGRESS"
                    await page.locator("#head .plan", has_text=word).wait_for()
                    lags.append(time.monotonic() - started)
    return lags


def main() -> None:
    """Measure the delays and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    lags = run_bench(_measure(parser.parse_args().rounds))
    slowest = max(lags)
    print(f"changes {len(lags)}, median {statistics.median(lags):.2f} s, slowest {slowest:.2f} s")
    sys.exit(0 if slowest <= _TARGET_SECONDS else 1)


if __name__ == "__main__":
    main()

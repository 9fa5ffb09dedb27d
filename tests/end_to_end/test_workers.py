"""Workers are stopped, deployed anew and versioned in mid-plan: nothing is lost."""

import signal

from client.start import start_execution
from client.workers import why_idle
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.conftest import House
from tests.end_to_end.test_endurance import temporal
from tests.end_to_end.worker_processes import (
    SLOW_SECONDS,
    assert_up_once,
    in_progress,
    is_asked,
    process_of,
    ready,
    slow_answers,
    stopped,
    until_watched,
    worker,
)


async def test_a_worker_that_is_told_to_stop_in_mid_launch_keeps_its_job(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    plan = house.plan(house.wave("Database"))
    house.stack.start_worker("one")
    await ready(house, "one")
    slow_answers(house, 4)
    execution_id = await start_execution(house.client, plan)
    await is_asked(house)
    house.stack.start_worker("two")
    assert await stopped(house, "one") == 0
    assert_up_once(house, await house.end(plan, execution_id), [plan])


async def test_a_worker_that_cannot_tell_temporal_ends_when_told_twice(house_apart: House) -> None:
    house = house_apart
    plan = house.plan(house.wave("Database", servers=house.aws.servers(1, LaunchSeconds=50_000)))
    house.stack.start_worker("one")
    await start_execution(house.client, plan)
    await in_progress(house, plan, "Database")
    process_of(house, "temporal").suspend()
    one = process_of(house, "one")
    one.send_signal(signal.SIGTERM)
    log = house.stack.folder / "one.log"

    async def hands_over() -> bool:
        return "hands its work over" in log.read_text()

    await house.eventually(hands_over)
    assert await stopped(house, "one", signal.SIGINT) == 0
    assert "Traceback" not in log.read_text()
    process_of(house, "temporal").resume()


async def test_a_rolling_deploy_and_its_rollback_in_mid_plan_change_nothing(
    house_without_worker: House,
) -> None:
    house = house_without_worker
    first = house.aws.servers(2, LaunchSeconds=2 * SLOW_SECONDS)
    second = house.aws.servers(1, LaunchSeconds=SLOW_SECONDS)
    plan = house.plan(
        house.wave("Database", servers=first),
        house.wave("App", "Database", servers=second),
        house.wave("Web", "App"),
    )
    house.stack.start_worker("old")
    await ready(house, "old")
    execution_id = await start_execution(house.client, plan)
    await in_progress(house, plan, "Database")
    worker(house.stack, "newer_worker").start_worker("new")
    await ready(house, "new")
    assert await stopped(house, "old") == 0
    # Were it the missing heartbeat that tells, the wave would be up before anybody took it up.
    assert await until_watched(house, execution_id, "database", by="new") == 2
    await in_progress(house, plan, "App")
    house.stack.start_worker("rolled-back")
    await ready(house, "rolled-back")
    assert await stopped(house, "new") == 0
    assert_up_once(house, await house.end(plan, execution_id), [plan])
    assert "Traceback" not in (house.stack.folder / "old.log").read_text()


async def test_versioned_workers_say_what_is_missing_and_keep_what_they_began(
    house_apart: House,
) -> None:
    house = house_apart

    def started(build_id: str) -> None:
        own = {"DRS_WAVES_DEPLOYMENT_NAME": "drs", "DRS_WAVES_BUILD_ID": build_id}
        house.stack.start_worker(build_id, variables=own)

    async def told(build_id: str, what: str) -> str:
        log = house.stack.folder / f"{build_id}.log"

        async def is_told() -> bool:
            return any(what in line for line in log.read_text().splitlines())

        await house.eventually(is_told)
        return next(line for line in log.read_text().splitlines() if what in line)

    async def make_current(build_id: str) -> None:
        line = await told(build_id, "temporal worker deployment set-current-version")
        await temporal(house, *line[line.index("temporal worker") :].split()[1:])

    async def version_of(plan: RecoveryPlan) -> str:
        handle = house.client.get_workflow_handle(f"drs-plan/{plan.plan_id}")
        info = (await handle.describe()).raw_description.workflow_execution_info.versioning_info
        return str(info.deployment_version.build_id)

    started("1.0")
    first = house.plan(
        house.wave("Database", servers=house.aws.servers(1, LaunchSeconds=SLOW_SECONDS)),
        house.wave("App", "Database"),
    )
    first_id = await start_execution(house.client, first)
    await told("1.0", "Nothing will start: deployment drs has no current version")

    async def is_explained() -> bool:
        return "--build-id 1.0 --yes" in str(await why_idle(house.client))

    await house.eventually(is_explained)
    await make_current("1.0")
    await told("1.0", "Build 1.0 of deployment drs is current")
    await in_progress(house, first, "Database")
    assert await why_idle(house.client) is None
    started("2.0")
    await make_current("2.0")
    await told("1.0", "Build 2.0 of deployment drs is current")
    second = house.plan(house.wave("Database"))
    second_id = await start_execution(house.client, second)
    assert_up_once(house, await house.end(second, second_id), [second])
    assert_up_once(house, await house.end(first, first_id), [first])
    assert (await version_of(first), await version_of(second)) == ("1.0", "2.0")

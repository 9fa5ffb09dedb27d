"""Which worker reports to the notifier, and what becomes of a report without one."""

import asyncio
import dataclasses
from typing import cast

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities.notify.channel_clients import ChannelClients
from activities.notify.notify_activities import NotifyActivities
from client.workers import describe_task_queue
from contract.identifiers import NOTIFIER_WORKFLOW_ID
from contract.notify import NotifyReport
from contract.temporal import CHANNELS_TASK_QUEUE
from recovery.notify.notifier_state import NotifyUpdate
from tests.activities.notify.conftest import channel
from tests.recovery.notify.examples import execution
from tests.shared_servers import own_namespace


async def test_a_worker_without_channels_leaves_reports_to_others_and_says_if_nobody_has_them(
    shared_temporal: Client, clients: ChannelClients
) -> None:
    config = shared_temporal.config()
    config["namespace"] = await own_namespace(shared_temporal)
    config["data_converter"] = pydantic_data_converter
    client = Client(**config)
    without = NotifyActivities([], clients)
    with_channels = NotifyActivities([channel(SNS={"TopicArn": _TOPIC})], clients)

    async def report(by: NotifyActivities, *, attempt: int, is_over: bool = False) -> bool:
        environment = ActivityEnvironment(client)
        environment.info = dataclasses.replace(environment.info, attempt=attempt)
        update = NotifyUpdate(execution=execution(), is_over=is_over)
        return cast(bool, await environment.run(by.report, NotifyReport(update=update)))

    assert not await report(without, attempt=1), "no worker has channels, and no notifier runs"
    without = NotifyActivities([], clients)
    async with Worker(client, task_queue=CHANNELS_TASK_QUEUE, activities=[nothing]):
        while not (await describe_task_queue(client, CHANNELS_TASK_QUEUE, _ACTIVITIES)).pollers:
            await asyncio.sleep(0.05)
        with pytest.raises(ApplicationError, match="another has some"):
            await report(without, attempt=1)
    assert not await report(without, attempt=6), "no notifier runs"
    assert not await report(without, attempt=1, is_over=True)
    assert await report(with_channels, attempt=1)
    assert await report(without, attempt=6), "the one that another worker has started"
    handle = client.get_workflow_handle(NOTIFIER_WORKFLOW_ID)
    await handle.terminate()
    assert not await report(without, attempt=6)
    assert await report(with_channels, attempt=1), "a new one"
    await handle.terminate()


@activity.defn
async def nothing() -> None:
    """Of a worker that has channels."""


_ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_TOPIC = "arn:aws:sns:eu-central-1:123456789012:recovery"

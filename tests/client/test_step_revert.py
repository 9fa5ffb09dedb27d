"""Putting back what a step replaced, through its workflow."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from client.errors import RefusedError
from client.recoveries.step_revert import revert_step
from contract.failures import FailureType
from contract.steps import RevertResult, StartRevert
from contract.temporal import HISTORY_TASK_QUEUE, STEP_TASK_QUEUE, TASK_QUEUE
from recovery.history.record import HistoryRecord
from recovery.steps.replaced import RevertView, StepRevert
from workflows.wave.step_revert import RevertStepWorkflow

VIEW = RevertView(place="record shop A", now="b", was="a", set_to="b")


@activity.defn(name="revert_step")
async def answer(start: StartRevert) -> RevertResult:
    """What the worker's activity answers."""
    if start.view is not None and start.confirmation != start.step:
        raise ApplicationError(
            "confirm it with cutover/dns", type=FailureType.REVERT_REFUSED, non_retryable=True
        )
    return RevertResult(view=VIEW, text="put back" if start.view else "")


RECORDED: list[StepRevert] = []


@activity.defn(name="record")
async def record(written: HistoryRecord) -> None:
    """What the history gets."""
    RECORDED.extend(written.reverts)


@pytest.fixture
async def client(shared_temporal: Client) -> AsyncIterator[Client]:
    made = Client(**shared_temporal.config() | {"data_converter": pydantic_data_converter})
    async with (
        Worker(made, task_queue=TASK_QUEUE, workflows=[RevertStepWorkflow]),
        Worker(made, task_queue=STEP_TASK_QUEUE, activities=[answer]),
        Worker(made, task_queue=HISTORY_TASK_QUEUE, activities=[record]),
    ):
        RECORDED.clear()
        yield made


async def test_it_is_looked_at_confirmed_and_put_back(client: Client) -> None:
    execution_id = f"crm-{uuid4().hex[:12]}"
    look = StartRevert(execution_id=execution_id, plan_id="crm", step="cutover/dns", actor="ana")
    assert (await revert_step(client, look)).view == VIEW
    start = look.model_copy(update={"view": VIEW})
    with pytest.raises(RefusedError, match="confirm it with cutover/dns"):
        await revert_step(client, start)
    confirmed = start.model_copy(update={"confirmation": "cutover/dns"})
    assert not RECORDED
    assert (await revert_step(client, confirmed)).text == "put back"
    (done,) = RECORDED
    assert (done.wave_id, done.step_id, done.actor) == ("cutover", "dns", "ana")
    assert (done.replaced, done.put_back, done.is_forced) == ("b", "a", False)

"""What DRS logged of a wave's jobs, as the worker reads it."""

from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

from fastapi import APIRouter
from temporalio.client import WorkflowFailureError

from api.auth.access import Caller, TheHouse
from api.parameters import ExecutionId, WaveId
from api.problem_responses import looking
from api.problems import ApiProblem
from api.service import House
from client.errors import UnreachableError
from client.workers import require_worker
from contract.job_logs import JobLogs, ReadJobLogs
from contract.task_queues import TASK_QUEUE
from workflows.job_logs import JobLogWorkflow

router = APIRouter(tags=["Executions"])

_PATIENCE = timedelta(seconds=100)


@router.get(
    "/executions/{execution_id}/waves/{wave_id}/jobs",
    summary="What DRS logged of a wave",
    responses=looking(HTTPStatus.NOT_FOUND),
)
async def jobs(
    house: TheHouse, caller: Caller, execution_id: ExecutionId, wave_id: WaveId
) -> JobLogs:
    """The DRS jobs of the wave's last attempt with their logs, which say why a server failed."""
    state = await house.hub.state(execution_id)
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    if wave is None:
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"{execution_id} has no wave {wave_id!r}")
    if not wave.job_ids:
        return JobLogs(jobs=[])
    target = (await house.frozen_plan(execution_id)).wave(wave_id).target
    asked = ReadJobLogs(target=target, job_ids=list(wave.job_ids))
    return await _read(house, f"{execution_id}/{wave_id}", asked)


async def _read(house: House, what: str, asked: ReadJobLogs) -> JobLogs:
    client = await house.client()
    await require_worker(client)
    try:
        return await client.execute_workflow(
            JobLogWorkflow.run,
            asked,
            id=f"drs-job-log/{what}/{uuid4().hex[:8]}",
            task_queue=TASK_QUEUE,
            static_summary=f"Job log of {what}"[:190],
            execution_timeout=_PATIENCE,
        )
    except WorkflowFailureError as error:
        raise UnreachableError(f"The job log was not read: {error.cause}") from error

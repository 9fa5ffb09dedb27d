"""The DRS job logs of a wave, which a worker reads."""

from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

from fastapi import APIRouter
from temporalio.client import WorkflowFailureError

from api.auth.access import Caller, Service
from api.parameters import ExecutionId, WaveId
from api.problem_responses import read_responses
from api.problems import ApiProblem
from api.service import ExecutionService
from client.errors import UnreachableError
from client.workers import require_worker
from contract.job_logs import JobLogs, JobLogsRequest
from contract.task_queues import TASK_QUEUE
from workflows.job_logs import JobLogWorkflow

router = APIRouter(tags=["Executions"])

_TIMEOUT = timedelta(seconds=100)


@router.get(
    "/executions/{execution_id}/waves/{wave_id}/jobs",
    summary="Get the job logs of a wave",
    responses=read_responses(HTTPStatus.NOT_FOUND),
)
async def jobs(
    service: Service, caller: Caller, execution_id: ExecutionId, wave_id: WaveId
) -> JobLogs:
    """Return the DRS jobs of the wave's last attempt with their logs."""
    state = await service.hub.state(execution_id)
    wave = next((each for each in state.waves if each.wave_id == wave_id), None)
    if wave is None:
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"{execution_id} has no wave {wave_id!r}")
    if not wave.job_ids:
        return JobLogs(jobs=[])
    target = (await service.frozen_plan(execution_id)).wave(wave_id).target
    request = JobLogsRequest(target=target, job_ids=list(wave.job_ids))
    return await _read(service, f"{execution_id}/{wave_id}", request)


async def _read(service: ExecutionService, subject: str, request: JobLogsRequest) -> JobLogs:
    client = await service.client()
    await require_worker(client)
    try:
        return await client.execute_workflow(
            JobLogWorkflow.run,
            request,
            id=f"drs-job-log/{subject}/{uuid4().hex[:8]}",
            task_queue=TASK_QUEUE,
            static_summary=f"Job log of {subject}"[:190],
            execution_timeout=_TIMEOUT,
        )
    except WorkflowFailureError as error:
        raise UnreachableError(f"The job log was not read: {error.cause}") from error

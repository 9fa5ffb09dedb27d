"""A worker that kills itself (SIGKILL) at a point: see `notify_kills` and `step_kills`."""

import asyncio
import os
import signal
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from contract.notify import NotifyReport
from contract.steps import StepCall
from recovery.notify.events import Notification
from runtime.worker import run_worker

VARIABLE = "BENCH_KILL_AT"
_CHANNEL = "pager"


class KillingActivities(ActivityInboundInterceptor):
    """Ends the process before or after the activity that `BENCH_KILL_AT` names.

    It is such as `before deliver ASKED`, `after report asked`, `after record_deliveries` or
    `after start_step first`.
    """

    _has_asked = False

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Execute an activity, or end."""
        name = f"{input.fn.__name__} {self._about(input)}".strip()
        self._end_at(f"before {name}")
        result = await super().execute_activity(input)
        self._end_at(f"after {name}")
        return result

    def _end_at(self, point: str) -> None:
        if os.environ[VARIABLE] == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def _about(self, input: ExecuteActivityInput) -> str:
        match input.args:
            case [Notification(channel=channel, items=items)] if channel == _CHANNEL:
                return next((each.kind for each in items if each.decision is not None), "")
            case [NotifyReport(update=update)] if update.decisions:
                KillingActivities._has_asked = True
                return "asked"
            case [NotifyReport(update=update)] if self._has_asked and update.decisions == []:
                return "answered"
            case [StepCall()] if activity.info().attempt == 1:
                return "first"
        return ""


class KillingInterceptor(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Lets activities end the process."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next interceptor."""
        return KillingActivities(next)


if __name__ == "__main__":
    connect = Client.connect

    async def connect_killing(*args: Any, **options: Any) -> Client:
        return await connect(*args, interceptors=[KillingInterceptor()], **options)

    Client.connect = connect_killing  # type: ignore[method-assign]
    asyncio.run(run_worker())

"""Started steps, and what the local AWS accepted of them."""

from typing import Any

from activities.steps.step_activities import StepActivities
from contract.steps import StartOutcome, StepCall, StepServer, WatchedStep
from sandbox import effects
from tests.aws_in_process import TARGET, Attempt, LocalAws, Temporal


def up(aws: LocalAws, count: int = 2) -> list[StepServer]:
    """Servers whose instances run."""
    answer = aws.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=count, MaxCount=count)
    return [
        StepServer(
            source_server_id=f"s-{number:017x}", instance_id=each["InstanceId"], target=TARGET
        )
        for number, each in enumerate(answer["Instances"])
    ]


def on(servers: list[StepServer]) -> dict[str, Any]:
    """What a call has of its servers."""
    return {"servers": servers, "server_ids": [each.source_server_id for each in servers]}


def accepted(kind: str) -> list[dict[str, Any]]:
    """The effects of this kind, without repetitions that had none."""
    found: list[dict[str, Any]] = effects.recorded()["Effects"]
    return [each for each in found if each["Kind"] == kind and not each["IsRepeat"]]


async def started(steps: StepActivities, temporal: Temporal, call: StepCall) -> WatchedStep:
    """A step that has started."""
    start = await Attempt(temporal).run(steps.start_step, call)
    assert start.outcome is StartOutcome.STARTED, start.reason
    return WatchedStep(call=call, started=start)

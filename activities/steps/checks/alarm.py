"""Whether a CloudWatch alarm is OK."""

from typing import Any, cast

from activities.steps.interface import Probe, ResolvedCall
from activities.steps.step_clients import StepClients
from recovery.steps.model import Alarm
from recovery.steps.state import CheckResult

_RESULTS = {"OK": CheckResult.PASSED, "ALARM": CheckResult.FAILED}


class AlarmCheck:
    """See `CheckStep`."""

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def probe(self, step: ResolvedCall) -> Probe:
        """See `CheckStep`."""
        name = cast(Alarm, step.spec).alarm_name
        answer = await self._services.read(
            step.call.target,
            "cloudwatch",
            "describe_alarms",
            AlarmNames=[name],
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        )
        alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        found: dict[str, Any] | None = next((a for a in alarms if a.get("AlarmName") == name), None)
        if found is None:
            region = step.call.target.region
            return Probe(CheckResult.INCONCLUSIVE, f"CloudWatch has no alarm {name} in {region}")
        state = str(found.get("StateValue"))
        why = f": {found['StateReason']}" if found.get("StateReason") else ""
        result = _RESULTS.get(state, CheckResult.INCONCLUSIVE)
        return Probe(result, f"alarm {name} is {state}{why}")

"""The effects of steps, by the ledger of the local AWS and by Temporal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recovery.plan.model import RecoveryPlan
from recovery.steps.model import StepKind

SETS_STATE = (StepKind.ROUTE53_RECORD, StepKind.ROUTING_CONTROL)
"""The kinds whose effect, asked for again, changes nothing."""


@dataclass(frozen=True)
class StepEffect:
    """An effect of a step that AWS accepted, or a workflow of the customer's that was started.

    Attributes:
        attempt_id: the step attempt ID that it was asked for with; empty if the service keeps none.
        time: of its acceptance (epoch seconds).
        has_succeeded: whether what was begun ends well, by the scenario.
    """

    wave_id: str
    step_id: str
    attempt_id: str
    time: float
    has_succeeded: bool = True

    @classmethod
    def named(cls, name: str, attempt_id: str, time: float) -> "StepEffect":
        """The effect of a step by its name: `<plan>-<WaveId>-<StepId>`."""
        wave_id, step_id = name.rsplit("-", 2)[1:]
        return cls(wave_id, step_id, attempt_id, time)


def read_effects(
    ledger: Iterable[dict[str, Any]], started: Iterable[StepEffect], plan: RecoveryPlan
) -> list[StepEffect]:
    """The effects of the steps of a plan, in order.

    Args:
        ledger: the acts that services accepted.
        started: the workflows of `Workflow` steps.
        plan: whose documents, functions and so on are named after its steps.
    """
    names = {
        f"{plan.plan_id}-{wave.wave_id}-{step.step_id}"
        for wave in plan.waves
        for _, step in wave.all_steps
    }
    controls = {
        step.routing_control.routing_control_arn: f"{plan.plan_id}-{wave.wave_id}-{step.step_id}"
        for wave in plan.waves
        for _, step in wave.all_steps
        if step.routing_control
    }
    found = [*started]
    for entry in ledger:
        name = _name_of(entry["Details"], controls)
        if name in names:
            payload = entry["Details"].get("Payload") or {}
            attempt_id = entry["Key"] or payload.get("StepAttemptId", "")
            found.append(StepEffect.named(name, attempt_id, entry["Time"]))
    return sorted(found, key=lambda effect: effect.time)


def _name_of(details: Mapping[str, Any], controls: Mapping[str, str]) -> str:
    """The name of the step that had an effect."""
    if changes := details.get("Changes"):
        record = str(changes[0]["ResourceRecordSet"]["Name"])
        return record.removeprefix("www.").partition(".")[0]
    if arn := details.get("RoutingControlArn"):
        return controls.get(arn, "")
    named = details.get("DocumentName") or details.get("FunctionName") or details.get("Path") or ""
    return str(named).removeprefix("/")


def with_outcomes(
    effects: Sequence[StepEffect], scenario: Mapping[str, list[dict[str, Any]]], plan: RecoveryPlan
) -> list[StepEffect]:
    """The same effects, each with whether it ends well, by the scenario's successive outcomes."""
    outcomes: dict[str, list[bool]] = {}
    for document in scenario.get("Documents", []):
        outcomes[document["Name"]] = [each == "success" for each in document["Outcome"]]
    for function in scenario.get("Functions", []):
        outcomes[function["FunctionName"]] = [
            "FunctionError" not in each for each in function["Answers"]
        ]
    for wave in plan.waves:
        for _, step in wave.all_steps:
            if step.workflow and isinstance(given := step.workflow.input, dict):
                outcomes[step.workflow.type] = [not given["Fails"]]
    counts = Counter[str]()
    found = []
    for effect in effects:
        name = f"{plan.plan_id}-{effect.wave_id}-{effect.step_id}"
        known = outcomes.get(name, [True])
        has_succeeded = known[min(counts[name], len(known) - 1)]
        counts[name] += 1
        found.append(replace(effect, has_succeeded=has_succeeded))
    return found

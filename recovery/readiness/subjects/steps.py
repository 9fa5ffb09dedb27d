"""Steps: whether what they use is there, and whether their checks have ever concluded."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ConfigDict

from recovery.base_model import Model
from recovery.plan.fields import Impact
from recovery.plan.model import RecoveryPlan, Wave
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget, finding_of
from recovery.steps.model import (
    Alarm,
    KindModel,
    Lambda,
    Route53Record,
    RoutingControl,
    SsmAutomation,
    SsmCommand,
    Step,
    TargetHealth,
    When,
    Workflow,
)
from recovery.text_format import listed

StepKey = tuple[str, str]
"""A WaveId and a StepId."""
_WARNING = "Of an OPTIONAL step, and of one for drills only, it is a warning."
STEP_RESOURCE_MISSING = FindingKind(
    code=FindingCode.STEP_RESOURCE_MISSING,
    severity=Severity.BLOCKS,
    title="What a step uses does not exist",
    meaning=f"The step would fail, and its wave would not be COMPLETED. {_WARNING}",
    action="Create it in the account and Region that the step acts in, or correct the plan.",
)
STEP_RESOURCE_UNUSABLE = FindingKind(
    code=FindingCode.STEP_RESOURCE_UNUSABLE,
    severity=Severity.BLOCKS,
    title="What a step uses exists, but cannot be used",
    meaning=f"The step would fail: what it uses is disabled, or is not of its kind. {_WARNING}",
    action="Follow the message: enable or correct what it names, or correct the plan.",
)
STEP_QUEUE_WITHOUT_WORKER = FindingKind(
    code=FindingCode.STEP_QUEUE_WITHOUT_WORKER,
    severity=Severity.BLOCKS,
    title="No worker polls the task queue of a Workflow step",
    meaning=f"The step would wait for a worker until its time is over. {_WARNING}",
    action="Start a worker of your own on that task queue, in the worker's Temporal Namespace.",
)
CHECK_NEVER_CONCLUDED = FindingKind(
    code=FindingCode.CHECK_NEVER_CONCLUDED,
    severity=Severity.WARNS,
    title="A check has never concluded in a drill",
    meaning="No drill has seen it pass or fail, so in a recovery it may be INCONCLUSIVE and fail "
    "its step. Of a check for recoveries only, no recovery has.",
    action="Run a drill, and see why the check did not conclude; correct it in the plan.",
)
KINDS = (
    STEP_RESOURCE_MISSING,
    STEP_RESOURCE_UNUSABLE,
    STEP_QUEUE_WITHOUT_WORKER,
    CHECK_NEVER_CONCLUDED,
)


class ResourceKind(StrEnum):
    """What a step may use that can be looked up, in the words of screens."""

    AUTOMATION = "automation document"
    COMMAND = "command document"
    FUNCTION = "function"
    HOSTED_ZONE = "hosted zone"
    ROUTING_CONTROL = "routing control"
    ALARM = "alarm"
    TARGET_GROUP = "target group"
    TASK_QUEUE = "task queue"


class StepResource(Model):
    """Something that steps use.

    Attributes:
        name: its name, ID or ARN, as the plan has it.
        detail: of a document, its version; of a hosted zone, the name of the record; of a task
            queue, nothing.
    """

    model_config = ConfigDict(frozen=True)

    kind: ResourceKind
    name: str
    detail: str = ""


class ResourceState(Model):
    """What is known of something that steps use; without any of these it can be used.

    Attributes:
        missing: that it does not exist.
        unusable: why it cannot be used.
        failed: why it is not known.
    """

    missing: bool = False
    unusable: str | None = None
    failed: FailedRead | None = None


@dataclass(frozen=True)
class UsedResource:
    """Something that a step uses, and the step."""

    resource: StepResource
    wave: Wave
    step: Step


def used_resources(planned: PlannedTarget) -> Iterator[UsedResource]:
    """What the steps that act in a target use; without what a reference gives."""
    for wave in planned.plan.waves:
        for _, step in wave.all_steps:
            resource = resource_of(step.spec)
            is_here = wave.target_of(step) == planned.target
            if is_here and resource is not None and "${" not in resource.name:
                yield UsedResource(resource, wave, step)


def resource_of(spec: KindModel) -> StepResource | None:
    """What a step uses that can be looked up; None if nothing."""
    match spec:
        case SsmAutomation():
            kind, name, detail = ResourceKind.AUTOMATION, spec.document, spec.version
        case SsmCommand():
            kind, name, detail = ResourceKind.COMMAND, spec.document, spec.version
        case Lambda():
            kind, name, detail = ResourceKind.FUNCTION, spec.function_name, None
        case Route53Record():
            kind, name, detail = ResourceKind.HOSTED_ZONE, spec.zone_id, spec.name
        case RoutingControl():
            kind, name, detail = ResourceKind.ROUTING_CONTROL, spec.routing_control_arn, None
        case Alarm():
            kind, name, detail = ResourceKind.ALARM, spec.alarm_name, None
        case TargetHealth():
            kind, name, detail = ResourceKind.TARGET_GROUP, spec.target_group_arn, None
        case Workflow():
            kind, name, detail = ResourceKind.TASK_QUEUE, spec.task_queue, None
        case _:
            return None
    return StepResource(kind=kind, name=name, detail=detail or "")


def steps_findings(
    planned: PlannedTarget, states: Mapping[StepResource, ResourceState]
) -> Iterator[Finding]:
    """Judge what steps that act in a target use; each thing once, with all its steps.

    Args:
        planned: the target.
        states: of all that they use.
    """
    users: dict[StepResource, list[UsedResource]] = {}
    for used in used_resources(planned):
        users.setdefault(used.resource, []).append(used)
    for resource, used_by in users.items():
        state = states.get(resource, ResourceState())
        what = f"{resource.kind} {resource.name}"
        steps = listed([_label(each.wave, each.step) for each in used_by], shown=3)
        seen = {"Resource": what, "Steps": steps}
        if state.failed is not None:
            yield state.failed.finding(f"{what}, which step {steps} uses,", planned)
            continue
        if state.missing and resource.kind is ResourceKind.TASK_QUEUE:
            kind, problem = STEP_QUEUE_WITHOUT_WORKER, f"no worker polls {what}"
        elif state.missing:
            kind, problem = STEP_RESOURCE_MISSING, f"there is no {what} here"
        elif state.unusable is not None:
            kind, problem = STEP_RESOURCE_UNUSABLE, f"{what} {state.unusable}"
        else:
            continue
        is_minor = all(_is_minor(each.step) for each in used_by)
        wave_id = used_by[0].wave.wave_id
        message = f"{problem}; step {steps} uses it"
        found = planned.finding(kind, message, wave_id=wave_id, evidence=seen)
        yield found.model_copy(update={"severity": Severity.WARNS}) if is_minor else found


def checks_of(plan: RecoveryPlan) -> list[tuple[Wave, Step]]:
    """The checks of a plan."""
    steps = ((wave, step) for wave in plan.waves for _, step in wave.all_steps)
    return [(wave, step) for wave, step in steps if not step.kind.acts]


def check_findings(
    plan: RecoveryPlan,
    in_drills: Collection[tuple[str, str]],
    in_recoveries: Collection[tuple[str, str]],
) -> Iterator[Finding]:
    """Judge whether checks have ever concluded.

    Args:
        plan: the plan.
        in_drills: the wave and the ID of each step that PASSED or FAILED in a drill.
        in_recoveries: the same of recoveries.
    """
    for wave, step in checks_of(plan):
        only_recovery = step.effective_when is When.RECOVERY
        concluded = in_recoveries if only_recovery else in_drills
        if (wave.wave_id, step.step_id) not in concluded:
            where = "recovery" if only_recovery else "drill"
            why = ": it runs in recoveries only" if only_recovery else ""
            message = f"no {where} has concluded the check {_label(wave, step)}{why}"
            seen = {"Step": f"{wave.wave_id}/{step.step_id}", "When": step.effective_when.value}
            found = finding_of(CHECK_NEVER_CONCLUDED, message, seen)
            yield found.model_copy(update={"wave_id": wave.wave_id})


def _label(wave: Wave, step: Step) -> str:
    return f"{step.step_id} of {wave.wave_name}"


def _is_minor(step: Step) -> bool:
    """Whether a recovery can be COMPLETED or PARTIAL without it."""
    return step.impact is Impact.OPTIONAL or not step.runs_in(is_drill=False)

"""The kinds of steps that act, each with what runs it. `Manual` steps need no worker."""

from collections.abc import Callable

from activities.steps.interface import ActingStep
from activities.steps.kinds.http_request import HttpRequestStep
from activities.steps.kinds.lambda_function import LambdaStep
from activities.steps.kinds.route53_record import Route53RecordStep
from activities.steps.kinds.routing_control import RoutingControlStep
from activities.steps.kinds.ssm_automation import SsmAutomationStep
from activities.steps.kinds.ssm_command import SsmCommandStep
from activities.steps.kinds.workflow import WorkflowStep
from activities.steps.step_clients import StepClients
from recovery.steps.model import StepKind

ACTING_KINDS: dict[StepKind, Callable[[StepClients], ActingStep]] = {
    StepKind.SSM_AUTOMATION: SsmAutomationStep,
    StepKind.SSM_COMMAND: SsmCommandStep,
    StepKind.LAMBDA: LambdaStep,
    StepKind.HTTP: HttpRequestStep,
    StepKind.ROUTE53_RECORD: Route53RecordStep,
    StepKind.ROUTING_CONTROL: RoutingControlStep,
    # Temporal's client is the activity's.
    StepKind.WORKFLOW: lambda _: WorkflowStep(),
}

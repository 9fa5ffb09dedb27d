"""The kinds of steps that check, each with what runs it."""

from collections.abc import Callable

from activities.steps.checks.alarm import AlarmCheck
from activities.steps.checks.dns import DnsCheck
from activities.steps.checks.http_get import HttpGetCheck
from activities.steps.checks.instance_status import InstanceStatusCheck
from activities.steps.checks.target_health import TargetHealthCheck
from activities.steps.checks.tcp import TcpCheck
from activities.steps.interface import CheckStep
from activities.steps.step_clients import StepClients
from recovery.steps.model import StepKind

CHECKS: dict[StepKind, Callable[[StepClients], CheckStep]] = {
    StepKind.INSTANCE_STATUS: InstanceStatusCheck,
    StepKind.TCP: TcpCheck,
    StepKind.HTTP_GET: HttpGetCheck,
    StepKind.DNS: DnsCheck,
    StepKind.ALARM: AlarmCheck,
    StepKind.TARGET_HEALTH: TargetHealthCheck,
}

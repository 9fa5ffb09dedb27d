"""What steps call or connect to beside recovery instances, as the worker's allow-list names it."""

from collections.abc import Collection, Iterator
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import ConfigDict

from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan, Target
from recovery.steps.model import (
    Dns,
    Http,
    HttpGet,
    KindModel,
    Lambda,
    Route53Record,
    RoutingControl,
    SsmAutomation,
    SsmCommand,
    Tcp,
    Workflow,
)
from recovery.text_format import listed


class ResourceKind(StrEnum):
    """What a step may call or connect to; each has a list of its own, under this key."""

    DOCUMENT = "Documents"
    FUNCTION = "Functions"
    HOST = "Hosts"
    HOSTED_ZONE = "HostedZones"
    ROUTING_CONTROL = "RoutingControls"
    TASK_QUEUE = "TaskQueues"


class StepResource(Model):
    """Something that a step calls or connects to, named as its plan names it."""

    model_config = ConfigDict(frozen=True)

    kind: ResourceKind
    name: str


class NeededResource(StepResource):
    """What steps of a plan call or connect to.

    Attributes:
        used_by: which steps, for people.
    """

    used_by: str


class StepNeeds(Model):
    """What a worker must be allowed so that the steps of a plan can run.

    Attributes:
        targets: those that no wave has.
        resources: each once, without hosts that a reference gives: they are known later.
    """

    targets: list[Target] = []
    resources: list[NeededResource] = []


def resources_of(spec: KindModel, own_addresses: Collection[str] = ()) -> Iterator[StepResource]:
    """What a step calls or connects to; a host that a reference gives is known only without it.

    Args:
        spec: of its kind.
        own_addresses: of recovery instances, which need no entry.
    """
    match spec:
        case SsmAutomation() | SsmCommand():
            yield StepResource(kind=ResourceKind.DOCUMENT, name=spec.document)
        case Lambda():
            yield StepResource(kind=ResourceKind.FUNCTION, name=spec.function_name)
        case Route53Record():
            yield StepResource(kind=ResourceKind.HOSTED_ZONE, name=spec.zone_id)
        case RoutingControl():
            yield StepResource(kind=ResourceKind.ROUTING_CONTROL, name=spec.routing_control_arn)
            for endpoint in spec.cluster_endpoints.values():
                yield host_of(endpoint)
        case Workflow():
            yield StepResource(kind=ResourceKind.TASK_QUEUE, name=spec.task_queue)
        case Http():
            yield host_of(spec.url)
        case Dns() if spec.resolver is not None:
            is_address = spec.resolver.count(":") > 1 and not spec.resolver.startswith("[")
            yield host_of(f"//[{spec.resolver}]" if is_address else f"//{spec.resolver}")
        case Tcp() | HttpGet() if spec.host is not None and spec.host not in own_addresses:
            yield StepResource(kind=ResourceKind.HOST, name=_plain(spec.host))


def needs_of(plan: RecoveryPlan, *, is_drill: bool) -> StepNeeds:
    """What the steps of a plan need in such an execution."""
    targets: dict[Target, None] = {}
    users: dict[StepResource, list[str]] = {}
    for wave in plan.waves:
        for _, step in wave.all_steps:
            if not step.runs_in(is_drill=is_drill):
                continue
            if step.region or step.role_arn:
                targets[wave.target_of(step)] = None
            for each in resources_of(step.spec):
                if "${" not in each.name:
                    users.setdefault(each, []).append(f"{step.step_id} of {wave.wave_name}")
    return StepNeeds(
        targets=[each for each in targets if each not in plan.targets],
        resources=[
            NeededResource(**dict(each), used_by=f"step {listed(steps, shown=3)}")
            for each, steps in users.items()
        ],
    )


def host_of(url: str) -> StepResource:
    """The host of a URL, as of a step's request or of a redirect of it."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        host = ""
    return StepResource(kind=ResourceKind.HOST, name=_plain(host or url))


def _plain(host: str) -> str:
    return host.strip("[]").removesuffix(".").lower()

"""Sets routing controls of Application Recovery Controller, at any endpoint of their cluster."""

from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import JsonValue

from activities.outbound.addresses import (
    AddressRefusedError,
    UnknownHostError,
    checked_addresses,
    loopback_is_allowed,
)
from activities.steps.interface import ResolvedCall, StepRefusedError
from activities.steps.step_clients import StepClients
from aws.errors import AwsError, AwsErrorKind
from aws.service_client import ServiceClient
from aws.sessions import Endpoint
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.plan.model import Target
from recovery.steps.model import RoutingControl
from recovery.steps.replaced import ReplacedState
from recovery.steps.state import StepStatus

_SERVICE = "route53-recovery-cluster"
_READ_SECONDS = 10


class RoutingControlStep:
    """See `ActingStep` and `ReplacingStep`. The same state again changes nothing."""

    may_repeat = True

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def state_before(self, step: ResolvedCall) -> JsonValue:
        """See `ReplacingStep`."""
        spec = cast(RoutingControl, step.spec)
        now = await current_state(self._services, step.call.target, spec)
        return ReplacedState(was=now, set_to=spec.state).model_dump(mode="json")

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`."""
        spec, target = cast(RoutingControl, step.spec), step.call.target
        if step.is_repeat and step.before is None:
            now = await current_state(self._services, target, spec)
            if now != spec.state:
                raise StepRefusedError(f"it is {now}, perhaps set by someone else since")
        await set_state(self._services, target, spec, spec.state, not_after=step.not_after)
        outputs: dict[str, JsonValue] = {"RoutingControlState": spec.state}
        reason = f"the cluster accepted the state {spec.state}"
        result = StepResult(status=StepStatus.SUCCEEDED, reason=reason, outputs=outputs)
        return StartedStep(
            outcome=StartOutcome.STARTED, link=spec.routing_control_arn, result=result
        )

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`: the same start finds it."""
        return await self.start(step)

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        assert started.result is not None, "the start of a routing control is all of it"
        return started.result

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`."""
        return "the change of a routing control cannot be stopped"


async def current_state(services: ServiceClient, target: Target, spec: RoutingControl) -> str:
    """The state of a routing control, by the first endpoint that answers.

    Raises:
        StepRefusedError: an endpoint is refused.
        AwsError: none answers.
    """
    answer = await _at_an_endpoint(
        spec,
        lambda endpoint: services.read(
            target,
            _SERVICE,
            "get_routing_control_state",
            endpoint=endpoint,
            RoutingControlArn=spec.routing_control_arn,
        ),
    )
    return str(answer.get("RoutingControlState"))


async def set_state(
    services: ServiceClient, target: Target, spec: RoutingControl, state: str, **how: Any
) -> None:
    """Set the state of a routing control, by the first endpoint that answers.

    Raises:
        StepRefusedError: a safety rule or the address rule forbids it.
        AwsError: no endpoint accepts it.
    """
    try:
        await _at_an_endpoint(
            spec,
            lambda endpoint: services.change(
                target,
                _SERVICE,
                "update_routing_control_state",
                endpoint=endpoint,
                read_seconds=_READ_SECONDS,
                RoutingControlArn=spec.routing_control_arn,
                RoutingControlState=state,
                **how,
            ),
        )
    except AwsError as error:
        if error.kind is AwsErrorKind.CONFLICT:
            # A safety rule: it says so until the other controls have changed.
            raise StepRefusedError(str(error)) from error
        raise


async def _at_an_endpoint(spec: RoutingControl, call: Callable[[Endpoint], Awaitable[Any]]) -> Any:
    """Call the endpoints of the cluster in turn until one answers.

    Raises:
        StepRefusedError: an endpoint is refused.
        AwsError: none answers; UNCLEAR if one of them may have done it.
    """
    failed: AwsError | None = None
    for region, url in spec.cluster_endpoints.items():
        try:
            addresses = await _addresses(url)
        except UnknownHostError as error:
            failed = failed or AwsError(AwsErrorKind.UNREACHABLE, str(error))
            continue
        for address in addresses:
            try:
                return await call(Endpoint(region, url, address))
            except AwsError as error:
                if error.kind is AwsErrorKind.CONFLICT or not error.kind.is_retryable:
                    raise
                if failed is None or failed.kind.had_no_effect:
                    failed = error
    assert failed is not None, "a cluster has an endpoint"
    raise failed


async def _addresses(url: str) -> list[str]:
    """The addresses of an endpoint's host, all of which may be connected to.

    Raises:
        StepRefusedError: it is no URL, or has an address that must not be connected to.
        UnknownHostError: it has none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not (parts.scheme == "https" or loopback_is_allowed()):
        raise StepRefusedError(f"the endpoint {url} is no URL that begins with https://")
    try:
        return await checked_addresses(host, port or 443)
    except AddressRefusedError as error:
        raise StepRefusedError(str(error)) from error

"""Resolves a call of a step: its references, and the addresses of its servers."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from activities.steps.instance_check import InstanceCheck
from activities.steps.interface import ResolvedCall, ResolvedServer
from aws.service_client import ServiceClient
from contract.steps import StepCall
from recovery.access.allow_list import AllowList
from recovery.access.allowed_steps import uses_of
from recovery.access.grants import AccessCode, AccessRefusedError
from recovery.plan.model import Target
from recovery.steps.model import KindModel, Step, StepKind
from recovery.steps.reference_places import misplaced_reference, texts_of
from recovery.steps.references import (
    OutputReference,
    OwnField,
    OwnReference,
    Reference,
    ReferenceSyntaxError,
    ServerField,
    ServerReference,
    UnknownValueError,
    references_in,
    resolved,
)

M = TypeVar("M", bound=BaseModel)
# Source: the API reference of DescribeInstances: 200 values a filter.
_MAX_INSTANCES = 200
_CONNECTING = (StepKind.TCP, StepKind.HTTP_GET, StepKind.TARGET_HEALTH)


class CallResolver:
    """Resolves calls of steps, and refuses those to what the worker's allow-list does not have."""

    def __init__(
        self,
        services: ServiceClient,
        allow_list: AllowList | None = None,
        instances: InstanceCheck | None = None,
    ) -> None:
        """Prepare; without a check of instances, those that a call names are taken for its own."""
        self._services = services
        self._allow_list = allow_list
        self._instances = instances

    async def resolve(
        self, call: StepCall, clock: Callable[[], float], *, is_started: bool = False
    ) -> ResolvedCall:
        """A call with the values of its references.

        Args:
            call: the call.
            clock: epoch seconds.
            is_started: it was started, so that an address that EC2 no longer has, or an entry that
                the allow-list no longer has, stops nothing.

        Raises:
            UnknownValueError: what it needs is not known. The message says what, and why.
            AccessRefusedError: the allow-list does not have what it calls, or an instance is not
                its server's; nothing was called.
            AwsError: EC2 or DRS could not be asked.
        """
        _require_places(call.step)
        if not is_started and self._instances is not None:
            await self._instances.require_own(call)
        addresses = {} if is_started else await self._addresses(call)
        named = {
            each.source_server_id: ResolvedServer(
                source_server_id=each.source_server_id,
                instance_id=each.instance_id,
                name=each.name or each.source_server_id,
                private_ip=addresses.get(each.instance_id, ""),
            )
            for each in call.servers
            if each.instance_id is not None
        }

        def value_of(reference: Reference) -> JsonValue:
            return _value(reference, call, named, is_started=is_started)

        spec = _with_texts(resolved(call.step.spec, value_of))
        of_spec = getattr(spec, "servers", None)
        ids = call.server_ids if of_spec is None else of_spec
        if missing := [each for each in ids if each not in named]:
            raise UnknownValueError(f"{_servers(missing)} not up, so the step cannot run for it")
        if not is_started:
            self._require_allowed(spec, [each.private_ip for each in named.values()])
        return ResolvedCall(
            call=call,
            spec=spec,
            servers=tuple(named[each] for each in ids),
            named=named,
            clock=clock,
        )

    def _require_allowed(self, spec: KindModel, own_addresses: list[str]) -> None:
        if self._allow_list is None:
            return
        allowed, source = self._allow_list.steps, self._allow_list.source
        if refusals := allowed.refusals(uses_of(spec, own_addresses), source):
            raise AccessRefusedError(AccessCode.NOT_ALLOWED, "; ".join(refusals))

    async def _addresses(self, call: StepCall) -> dict[str, str]:
        """The private addresses of the call's instances by ID, if it needs any."""
        spec = call.step.spec
        needs_all = call.step.kind in _CONNECTING and getattr(spec, "host", None) is None
        wanted = {
            each.source_server_id
            for each in references_in(spec)
            if isinstance(each, ServerReference) and each.field is ServerField.PRIVATE_IP
        }
        by_target: dict[Target, list[str]] = defaultdict(list)
        for server in call.servers:
            if server.instance_id and (needs_all or server.source_server_id in wanted):
                by_target[server.target].append(server.instance_id)
        batches = [
            self._look_up(target, ids[start : start + _MAX_INSTANCES])
            for target, ids in by_target.items()
            for start in range(0, len(ids), _MAX_INSTANCES)
        ]
        found = await asyncio.gather(*batches)
        return {instance_id: address for some in found for instance_id, address in some}

    async def _look_up(self, target: Target, instance_ids: list[str]) -> list[tuple[str, str]]:
        answer = await self._services.read(
            target,
            "ec2",
            "describe_instances",
            Filters=[{"Name": "instance-id", "Values": instance_ids}],
        )
        return [
            (str(each["InstanceId"]), str(each.get("PrivateIpAddress") or ""))
            for reservation in answer.get("Reservations", [])
            for each in reservation.get("Instances", [])
        ]


def _require_places(step: Step) -> None:
    """Refuse references where the plan's reader does, for not every start was read by it."""
    for place, text, is_name in texts_of(step):
        try:
            problem = "" if is_name else misplaced_reference(step, place, text)
        except ReferenceSyntaxError as error:
            problem = str(error)
        if problem:
            raise UnknownValueError(f"{place[-1]}: {problem}")


def _value(
    reference: Reference, call: StepCall, named: dict[str, ResolvedServer], *, is_started: bool
) -> JsonValue:
    match reference:
        case OwnReference(field):
            return {
                OwnField.EXECUTION_ID: call.execution_id,
                OwnField.EXECUTION_TYPE: call.execution_type.value,
                OwnField.PLAN_ID: call.plan_id,
                OwnField.WAVE_ID: call.wave_id,
            }[field]
        case ServerReference(server_id, field):
            server = named.get(server_id)
            if server is None:
                raise UnknownValueError(f"{reference} is not known: {server_id} is not up")
            if field is ServerField.PRIVATE_IP and not server.private_ip and not is_started:
                raise UnknownValueError(
                    f"{reference} is not known: EC2 has no private address of {server.instance_id}"
                )
            return {
                ServerField.INSTANCE_ID: server.instance_id,
                ServerField.PRIVATE_IP: server.private_ip,
                ServerField.NAME: server.name,
            }[field]
        case OutputReference():
            if values := reference.values_in(call.outputs):
                return values[0]
            raise UnknownValueError(
                f"{reference} is not known: no earlier step returned it. If it is secret, an "
                "earlier execution recorded no value of it: Rerun: true runs its step again"
            )


def _with_texts(spec: M) -> M:
    """A spec whose values have the right types again: a number in place of a text becomes text.

    Raises:
        UnknownValueError: a value has a type that does not fit.
    """
    values = spec.model_dump(warnings=False)
    for _ in range(2):
        try:
            return type(spec).model_validate(values)
        except ValidationError as error:
            problems = error.errors()
        for each in problems:
            if each["type"] != "string_type" or not isinstance(each["input"], int | float):
                continue
            value = each["input"]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            _replace(values, each["loc"], text)
    where = ".".join(str(part) for part in problems[0]["loc"])
    raise UnknownValueError(f"the value of {where} does not fit: {problems[0]['msg']}")


def _replace(values: Any, place: Iterable[int | str], text: str) -> None:
    *path, last = place
    for each in path:
        values = values[each]
    values[last] = text


def _servers(missing: list[str]) -> str:
    return f"{missing[0]} is" if len(missing) == 1 else f"{', '.join(missing[:3])} are"

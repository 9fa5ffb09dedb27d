"""Sets records in Route 53, and waits until all of its DNS servers have them."""

import json
import re
from typing import Any, cast

from pydantic import JsonValue

from activities.steps.interface import (
    OutcomeUnknownError,
    ResolvedCall,
    StepRefusedError,
)
from activities.steps.step_clients import StepClients
from aws.console import console_link
from aws.service_client import ServiceClient
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.plan.model import Target
from recovery.steps.model import Route53Record
from recovery.steps.replaced import RecordSet, ReplacedState, shown_value
from recovery.steps.state import StepStatus

# Route 53 sends other characters of names as octal numbers.
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MAX_STRING_BYTES = 255
# It is kept in the state of the execution.
_MAX_BEFORE_BYTES = 16_384
_IN_SYNC = "INSYNC"


class Route53RecordStep:
    """See `ActingStep` and `ReplacingStep`. The same record again changes nothing."""

    may_repeat = True

    def __init__(self, clients: StepClients) -> None:
        self._services = clients.services

    async def state_before(self, step: ResolvedCall) -> JsonValue:
        """See `ReplacingStep`."""
        spec = cast(Route53Record, step.spec)
        now = await current_record(self._services, step.call.target, spec)
        before = ReplacedState(was=now, set_to=_wanted(spec)).model_dump(mode="json")
        if len(json.dumps(before)) > _MAX_BEFORE_BYTES:
            raise StepRefusedError(
                f"the record {spec.name} {spec.type} is too large to be kept and put back"
            )
        return before

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`."""
        spec, target = cast(Route53Record, step.spec), step.call.target
        wanted = _wanted(spec)
        if step.is_repeat:
            now = await current_record(self._services, target, spec)
            known = [ReplacedState.model_validate(step.before).was] if step.before else []
            if now not in (wanted, *known):
                raise StepRefusedError(
                    f"the record is now {shown_value(now)}, which this step neither found nor "
                    "set, so it was not sent again"
                )
        change_id = await change_record(
            self._services,
            target,
            spec.zone_id,
            "UPSERT",
            wanted,
            comment=step.call.attempt_id,
            not_after=step.not_after,
        )
        place = "route53/v2/hostedzones"
        link = console_link(target.region, place, spec.zone_id, fragment="ListRecordSets")
        return StartedStep(outcome=StartOutcome.STARTED, reference=change_id, link=link)

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`: the same start finds it."""
        return await self.start(step)

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        answer = await self._services.read(
            step.call.target, "route53", "get_change", Id=started.reference
        )
        status = str((answer.get("ChangeInfo") or {}).get("Status"))
        if status != _IN_SYNC:
            return f"change {started.reference} is {status}: not all DNS servers have it yet"
        outputs: dict[str, JsonValue] = {"ChangeId": started.reference, "Status": status}
        reason = f"change {started.reference} is {status}: all DNS servers have it"
        return StepResult(status=StepStatus.SUCCEEDED, reason=reason, outputs=outputs)

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`."""
        return "a change of a record cannot be stopped"


async def current_record(
    services: ServiceClient, target: Target, spec: Route53Record
) -> RecordSet | None:
    """The record that Route 53 has of this name and type.

    Raises:
        StepRefusedError: it has a routing policy, so that there are several.
        AwsError: it could not be read.
    """
    answer = await services.read(
        target,
        "route53",
        "list_resource_record_sets",
        HostedZoneId=spec.zone_id,
        StartRecordName=spec.name,
        StartRecordType=spec.type,
        MaxItems="1",
    )
    for found in answer.get("ResourceRecordSets", []):
        record: RecordSet = _normal(found)
        if (record["Name"], record["Type"]) == (_name(spec.name), spec.type):
            if "SetIdentifier" in record:
                raise StepRefusedError(
                    f"{spec.name} {spec.type} has a routing policy, which this step would not keep"
                )
            return record
    return None


async def change_record(
    services: ServiceClient,
    target: Target,
    zone_id: str,
    action: str,
    record: RecordSet,
    *,
    comment: str,
    **how: Any,
) -> str:
    """Change one record; the ID of the change.

    Raises:
        OutcomeUnknownError: the answer has no ID.
        AwsError: the call failed.
    """
    answer = await services.change(
        target,
        "route53",
        "change_resource_record_sets",
        HostedZoneId=zone_id,
        ChangeBatch={
            "Comment": comment,
            "Changes": [{"Action": action, "ResourceRecordSet": record}],
        },
        **how,
    )
    change_id = str((answer.get("ChangeInfo") or {}).get("Id") or "")
    if not change_id:
        raise OutcomeUnknownError("the answer of ChangeResourceRecordSets names no change")
    return change_id.removeprefix("/change/")


def _wanted(spec: Route53Record) -> RecordSet:
    values = [encoded_text(each) if spec.type == "TXT" else each for each in spec.values]
    return _normal(
        {
            "Name": spec.name,
            "Type": spec.type,
            "TTL": spec.ttl,
            "ResourceRecords": [{"Value": each} for each in values],
        }
    )


def _normal(record: dict[str, Any]) -> RecordSet:
    """A record in one form, so that equal ones are equal."""
    normal = record | {"Name": _name(record["Name"])}
    if values := record.get("ResourceRecords"):
        normal["ResourceRecords"] = sorted(values, key=lambda each: str(each["Value"]))
    return normal


def _name(name: str) -> str:
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), name)
    return plain.rstrip(".").lower() + "."


def encoded_text(text: str) -> str:
    """A TXT value in quotes, in strings of 255 bytes at most.

    Source: the developer guide of Route 53, "TXT record type".
    """
    data = text.encode()
    parts = [data[i : i + _MAX_STRING_BYTES] for i in range(0, len(data), _MAX_STRING_BYTES)]
    return " ".join('"' + "".join(map(_escaped, part)) + '"' for part in parts or [b""])


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if 0x20 <= byte < 0x7F else f"\\{byte:03o}"

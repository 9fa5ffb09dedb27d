"""Route 53 whose changes take time to be INSYNC, and are accepted as a whole or not at all."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.moto_api._internal import mock_random
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import DelegationSet, FakeZone, RecordSet, route53_backends
from moto.route53.responses import Route53

from sandbox import effects
from sandbox.drs.simulation import simulation
from sandbox.services.dns_records import dns_records
from sandbox.services.scripts import HostedZone
from sandbox.services.state import (
    GLOBAL_REGION,
    Change,
    ScriptedBackend,
    delayed,
    scripted_backends,
)

_PARTITION = "aws"
_CHANGE_SECONDS = 30.0

_change_record_sets = Route53.change_resource_record_sets


def register() -> None:
    """Make moto's changes of records take time. Idempotent."""
    Route53.change_resource_record_sets = _change  # type: ignore[assignment, method-assign]
    Route53.get_change = _get_change  # type: ignore[assignment, method-assign]


def add_hosted_zone(script: HostedZone) -> None:
    """Create a hosted zone, or change how long its changes take and its records."""
    backend = route53_backends[script.account_id][_PARTITION]
    name = script.name.rstrip(".") + "."
    if script.zone_id not in backend.zones:
        zone = FakeZone(name, script.zone_id, False, script.zone_id)  # type: ignore[abstract]
        zone.delegation_set = DelegationSet(script.zone_id, None, None)
        zone.delegation_set.id = ""
        backend.zones[script.zone_id] = zone
    _state(script.account_id).change_seconds[script.zone_id] = script.change_seconds
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": record.name,
                "Type": record.type,
                "TTL": record.ttl,
                "ResourceRecords": [{"Value": value} for value in record.values],
            },
        }
        for record in script.records
    ]
    backend.change_resource_record_sets(script.zone_id, changes)


def in_sync_records(account_id: str, zone: FakeZone) -> Sequence[RecordSet]:
    """Return the records of a zone that name servers have."""
    state = _state(account_id)
    with state.lock:
        pending = (
            change.records_before
            for change in state.changes.values()
            if change.zone_id == zone.resource_id and not change.is_in_sync
        )
        return list(next(pending, zone.rrsets))


def _state(account_id: str) -> ScriptedBackend:
    return scripted_backends[account_id][GLOBAL_REGION]


def _change(response: Route53) -> ActionResult:
    zone_id = response._get_param("HostedZoneId")
    batch = copy.deepcopy(response._get_param("ChangeBatch"))
    zone = response.backend.get_hosted_zone(zone_id)
    state = _state(response.current_account)
    with state.lock:
        before = list(zone.rrsets)
        _check_batch(before, batch["Changes"])
        try:
            _change_record_sets(response)
        except Exception:
            zone.rrsets = before
            raise
        now = simulation.now()
        seconds = state.change_seconds.get(zone.resource_id, _CHANGE_SECONDS)
        change_id = f"C{mock_random.get_random_string(20).upper()}"
        change = Change(change_id, zone.resource_id, now, delayed(now, seconds), before)
        state.changes[change_id] = change
        effects.record(
            "route53.ChangeResourceRecordSets",
            account_id=response.current_account,
            region=response.region,
            key=batch.get("Comment") or "",
            details={"HostedZoneId": zone.resource_id, "ChangeId": change_id, **batch},
        )
    return _describe(change)


def _get_change(response: Route53) -> ActionResult:
    change_id = response._get_param("Id").rpartition("/")[2]
    change = _state(response.current_account).changes.get(change_id)
    if change is None:
        message = f"A change with the ID {change_id} does not exist."
        raise Route53ClientError("NoSuchChange", message)
    return _describe(change)


def _describe(change: Change) -> ActionResult:
    info = {
        "Id": f"/change/{change.change_id}",
        "Status": "INSYNC" if change.is_in_sync else "PENDING",
        "SubmittedAt": datetime.fromtimestamp(change.submitted, UTC),
    }
    return ActionResult({"ChangeInfo": info})


def _check_batch(records: Sequence[RecordSet], changes: Sequence[dict[str, Any]]) -> None:
    """Refuse what moto admits: CREATE of an existing record, DELETE of other values, bad values.

    Source: ChangeResourceRecordSets, "Action" and the errors of InvalidChangeBatch.
    """
    problems = []
    for change in changes:
        wanted = change["ResourceRecordSet"]
        found = next((each for each in records if _names(each) == _key(wanted)), None)
        what = f"resource record set [name='{_key(wanted)[0]}', type='{wanted.get('Type')}']"
        match change["Action"]:
            case "CREATE" if found is not None:
                problems.append(f"Tried to create {what} but it already exists")
            case "DELETE" if found is None:
                problems.append(f"Tried to delete {what} but it was not found")
            case "DELETE" if found is not None and _values(wanted) != _stored_values(found):
                values = "but the values provided do not match the current values"
                problems.append(f"Tried to delete {what} {values}")
            case "CREATE" | "UPSERT" if wanted.get("ResourceRecords"):
                problems += _invalid_values(wanted)
    if problems:
        raise Route53ClientError("InvalidChangeBatch", f"[{', '.join(problems)}]")


def _invalid_values(record_set: dict[str, Any]) -> list[str]:
    values = [each["Value"] for each in record_set["ResourceRecords"]]
    try:
        dns_records(record_set["Name"], record_set["Type"], int(record_set.get("TTL", 0)), values)
    except ValueError as error:
        return [f"Invalid Resource Record: {error}"]
    return []


def _key(record_set: dict[str, Any]) -> tuple[str, Any, Any]:
    name = record_set["Name"].rstrip(".").lower() + "."
    return name, record_set.get("Type"), record_set.get("SetIdentifier")


def _names(record: RecordSet) -> tuple[str, Any, Any]:
    return record.name.rstrip(".").lower() + ".", record.type, record.set_identifier


def _values(record_set: dict[str, Any]) -> tuple[Any, ...]:
    values = sorted(each["Value"] for each in record_set.get("ResourceRecords") or [])
    alias = record_set.get("AliasTarget")
    return str(record_set.get("TTL")), values, alias


def _stored_values(record: RecordSet) -> tuple[Any, ...]:
    return str(record.ttl), sorted(record.records or []), record.alias_target

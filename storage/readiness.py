"""Results of looks in the table of plans: the last one of each plan, and those before it.

Items of a plan: `READINESS`, `FINDINGS`, and `LOOK#000` to `LOOK#399`, of which the oldest is
replaced. What is read of one server a call is kept for all plans, by target: its hash key begins
with a character that no PlanId has.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import ValidationError

from aws.errors import AwsError
from recovery.base_model import Model
from recovery.plan.model import Target
from recovery.readiness.finding import Finding
from recovery.readiness.result import KEPT_LOOKS, KnownReadiness, PlanReadiness, RecordedLook
from recovery.readiness.verdict import worst_first
from storage.dynamodb import plain_item, read_item
from storage.plans import PlanTable

_READINESS = "READINESS"
_FINDINGS = "FINDINGS"
_LOOK = "LOOK"
# DynamoDB takes 400 KB an item.
_MOST_FINDINGS = 300


class ServerEvidence(Model):
    """What was read of a server, and when (epoch seconds)."""

    read_time: float
    value: dict[str, Any]


class ReadinessTable(PlanTable):
    """The table of plans, for looks at readiness. Its methods raise `PlanTableError`."""

    async def current(self, plan_id: str) -> PlanReadiness | None:
        """The last result of a plan; None if it was never looked at."""
        items = await self._with_key(plan_id, _READINESS)
        return _result_of(items[0]) if items else None

    async def all_current(self) -> dict[str, PlanReadiness]:
        """The last result of each plan that was looked at, by PlanId."""
        found = [_result_of(item) async for item in self._of_kind(_READINESS)]
        return {each.plan_id: each for each in found if each is not None}

    async def known(self, plan_id: str) -> KnownReadiness | None:
        """The last result of a plan with its findings, and the looks before it."""
        current = await self.current(plan_id)
        if current is None:
            return None
        items = await self._with_key(plan_id, _FINDINGS)
        kept = _KeptFindings()
        if items and items[0].get("LookedTime") == plain_item(current)["LookedTime"]:
            kept = _KeptFindings.model_validate_json(str(items[0]["Text"]))
        looks = await self.looks(plan_id)
        return KnownReadiness(
            readiness=current, findings=kept.findings, left_out=kept.left_out, looks=looks
        )

    async def looks(self, plan_id: str) -> list[RecordedLook]:
        """The last looks at a plan, the newest first."""
        found = []
        for item in await self._with_key(plan_id, f"{_LOOK}#"):
            try:
                found.append(read_item(RecordedLook, item))
            except ValidationError:
                # Another version has written it.
                continue
        return sorted(found, key=lambda look: look.looked_time, reverse=True)

    async def record(
        self, result: PlanReadiness, findings: Sequence[Finding], *, left_out: int
    ) -> bool:
        """Write a result, unless another look was recorded since the one it follows.

        Returns:
            Whether it was written.
        """
        shown = worst_first(findings)[:_MOST_FINDINGS]
        left_out += len(findings) - len(shown)
        kept = _KeptFindings(findings=shown, left_out=left_out)
        item = plain_item(result)
        time, plan_id = item["LookedTime"], result.plan_id
        # `RegisteredTime` is the range key of the index.
        keys = {"Item": _READINESS, "Kind": _READINESS, "RegisteredTime": time}
        follows: ConditionBase = Attr("Number").eq(result.number - 1)
        if result.number == 1:
            follows = Attr("PlanId").not_exists()
        look = plain_item(RecordedLook.model_validate(result.model_dump()))
        slot = f"{_LOOK}#{result.number % KEPT_LOOKS:03}"
        try:
            if not await self._put(item | keys, follows):
                return False
            text = kept.model_dump_json(exclude_defaults=True)
            await self._put(
                {"PlanId": plan_id, "Item": _FINDINGS, "LookedTime": time, "Text": text}
            )
            await self._put(look | {"PlanId": plan_id, "Item": slot})
        except AwsError as error:
            raise await self._error("write", error) from error
        return True

    async def evidence(self, target: Target, subject: str) -> dict[str, ServerEvidence]:
        """What was read of the servers of a target for a subject, by server."""
        found = {}
        for item in await self._with_key(_target_key(target), f"{subject}#"):
            server_id = str(item["Item"]).removeprefix(f"{subject}#")
            value = json.loads(str(item["Text"]))
            found[server_id] = ServerEvidence(read_time=float(item["ReadTime"]), value=value)
        return found

    async def put_evidence(
        self, target: Target, subject: str, evidence: Mapping[str, ServerEvidence]
    ) -> None:
        """Write what was read of servers of a target for a subject."""
        try:
            for server_id, each in evidence.items():
                item = {"PlanId": _target_key(target), "Item": f"{subject}#{server_id}"}
                read = {"ReadTime": round(each.read_time), "Text": json.dumps(each.value)}
                await self._put(item | read)
        except AwsError as error:
            raise await self._error("write", error) from error


class _KeptFindings(Model):
    findings: list[Finding] = []
    left_out: int = 0


def _target_key(target: Target) -> str:
    return f"@{target.role_arn or target.account_id or 'own'}/{target.region}"


def _result_of(item: Mapping[str, Any]) -> PlanReadiness | None:
    try:
        return read_item(PlanReadiness, item)
    except ValidationError:
        # Another version has written it.
        return None

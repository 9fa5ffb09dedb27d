"""Registered plans in DynamoDB: every version with its hash and its author.

One table, keyed by `PlanId` and `Item`: `VERSION#00001`… describe a version and who registered it
when; `TEXT#<hash>#0000`… hold a plan in chunks. Chunks are written before the version that names
them, so that an existing version is complete.
"""

import hashlib
import time
from typing import Any

import structlog
from boto3.dynamodb.conditions import Attr
from pydantic import ValidationError

from aws.errors import AwsError
from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan
from settings import Settings
from storage.dynamodb import DynamoTable, Item, TableError, plain_item, read_item

_KIND = "VERSION"
_CHUNK_CHARACTERS = 100_000


class PlanTableError(TableError):
    """The registered plans could not be read or written; the message says what to do."""


class PlanVersion(Model):
    """A version of a registered plan, without the plan itself.

    Attributes:
        version: counted from 1.
        registered_time: epoch seconds.
        waves: the number of waves.
        servers: the number of servers in all waves.
    """

    plan_id: str
    version: int
    plan_hash: str
    plan_name: str
    author: str
    registered_time: float
    waves: int
    servers: int


class RegisteredPlan(Model):
    """A version of a registered plan."""

    version: PlanVersion
    plan: RecoveryPlan


class NewerVersionError(Exception):
    """Somebody has registered a newer version of a plan.

    Attributes:
        newest: the newest version; None if the expected one does not exist.
    """

    def __init__(self, newest: PlanVersion | None) -> None:
        super().__init__(newest)
        self.newest = newest


class PlanTable(DynamoTable):
    """The DynamoDB table of plans. Its methods raise `PlanTableError`."""

    what = "plan table"
    setting = "DRS_WAVES_PLAN_TABLE"
    key = ("PlanId", "Item")
    index = ("Versions", "RegisteredTime")
    error = PlanTableError

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.plan_table, settings.history_region)

    async def register(
        self, plan: RecoveryPlan, *, author: str, after: int | None = None
    ) -> tuple[PlanVersion, bool]:
        """Register a plan as the newest version of its PlanId.

        Args:
            plan: the plan.
            author: who registers it.
            after: only if this is the newest version, 0 for none; None to register in any case.

        Returns:
            The version, and whether it is new: a plan equal to its newest version is not
            registered again.

        Raises:
            NewerVersionError: there is a newer version than `after`.
        """
        try:
            return await self._register(plan, author, after)
        except AwsError as error:
            raise await self._error("write", error) from error

    async def latest(self) -> list[PlanVersion]:
        """The newest version of each plan, by PlanId."""
        newest: dict[str, Item] = {}
        async for item in self._of_kind(_KIND):
            known = newest.setdefault(str(item["PlanId"]), item)
            if _number(known) < _number(item):
                newest[str(item["PlanId"])] = item
        return [_version_of(newest[plan_id]) for plan_id in sorted(newest)]

    async def versions(self, plan_id: str) -> list[PlanVersion]:
        """All versions of a plan, the newest first; older ones that cannot be read are omitted."""
        items = await self._version_items(plan_id)
        found = [_version_of(item) for item in items[:1]]
        for item in items[1:]:
            try:
                found.append(_version_of(item))
            except PlanTableError as error:
                structlog.get_logger().warning(str(error))
        return found

    async def plan(self, plan_id: str, version: int | None = None) -> RegisteredPlan | None:
        """A version of a plan, or its newest one; None if there is none."""
        items = await self._version_items(plan_id)
        item = next((i for i in items if version in (None, _number(i))), None)
        if item is None:
            return None
        found = _version_of(item)
        plan = await self._text_of(item)
        if plan is None:
            raise PlanTableError(
                f"Version {found.version} of {plan_id} in {self.name} cannot be read; register "
                "the plan again"
            )
        return RegisteredPlan(version=found, plan=plan)

    async def _text_of(self, item: Item) -> RecoveryPlan | None:
        """The plan of a version; None if it is missing or altered."""
        chunks = await self._with_key(str(item["PlanId"]), f"TEXT#{item.get('TextHash')}#")
        text = "".join(str(chunk.get("Text")) for chunk in chunks)
        if _hash(text) != item.get("TextHash"):
            return None
        try:
            return RecoveryPlan.model_validate_json(text)
        except ValidationError:
            return None

    async def _version_items(self, plan_id: str) -> list[dict[str, Any]]:
        """The items of all versions, the newest first."""
        return (await self._with_key(plan_id, f"{_KIND}#"))[::-1]

    async def _register(
        self, plan: RecoveryPlan, author: str, after: int | None
    ) -> tuple[PlanVersion, bool]:
        text, plan_hash = plan.model_dump_json(exclude_none=True), plan.plan_hash
        # Plans with the same hash may differ in parts without effect, such as the order of waves.
        text_hash = _hash(text)
        written = False
        while True:
            items = await self._version_items(plan.plan_id)
            known = await self._registered_as(items[0], plan, plan_hash) if items else None
            if known is not None:
                return known, False
            newest = _number(items[0]) if items else 0
            if after not in (None, newest):
                raise NewerVersionError(_version_of(items[0]) if items else None)
            if not written:
                await self._write_text(plan.plan_id, text, text_hash)
                written = True
            version = PlanVersion(
                plan_id=plan.plan_id,
                version=newest + 1,
                plan_hash=plan_hash,
                plan_name=plan.plan_name,
                author=author,
                registered_time=round(time.time(), 3),
                waves=len(plan.waves),
                servers=plan.server_count,
            )
            key = {"Item": f"{_KIND}#{version.version:05}", "Kind": _KIND}
            item = plain_item(version) | key | {"TextHash": text_hash}
            # Another caller may have registered a version since.
            if await self._put(item, Attr("PlanId").not_exists()):
                return version, True

    async def _registered_as(
        self, item: Item, plan: RecoveryPlan, plan_hash: str
    ) -> PlanVersion | None:
        """The version of an item, if it is complete and the same as a plan with this hash."""
        if item.get("PlanHash") != plan_hash:
            return None
        text = await self._text_of(item)
        if text is None or not text.same_around(plan):
            return None
        try:
            return _version_of(item)
        except PlanTableError:
            return None

    async def _write_text(self, plan_id: str, text: str, text_hash: str) -> None:
        """Write a plan in chunks, and replace existing chunks, which may be incomplete."""
        for number, start in enumerate(range(0, len(text), _CHUNK_CHARACTERS)):
            chunk = text[start : start + _CHUNK_CHARACTERS]
            item = f"TEXT#{text_hash}#{number:04}"
            await self._put({"PlanId": plan_id, "Item": item, "Text": chunk})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _number(item: Item) -> int:
    """The number of a version, from its key, which is readable even if the rest is not."""
    number = str(item["Item"]).removeprefix(f"{_KIND}#")
    return int(number) if number.isdecimal() else 0


def _version_of(item: Item) -> PlanVersion:
    try:
        return read_item(PlanVersion, item)
    except ValidationError as error:
        raise PlanTableError(
            f"{item.get('Item')} of plan {item.get('PlanId')} cannot be read; register it again"
        ) from error

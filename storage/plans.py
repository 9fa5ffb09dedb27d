"""Registered plans in DynamoDB: every version with its hash and its author.

One table, keyed by `PlanId` and `Item`: `VERSION#00001`… describe a version and who registered it
when, the newest also who removed the plan; `TEXT#<hash>#0000`… hold a plan in chunks. Chunks are
written before the version that names them, so that an existing version is complete.
`MEMBERSHIP` names the text with the servers that were last recorded for a plan's tags.
"""

import asyncio
import hashlib
import time
from decimal import Decimal
from typing import Any

import structlog
from boto3.dynamodb.conditions import Attr
from pydantic import ValidationError

from aws.errors import AwsError
from recovery.base_model import Model
from recovery.plan.members import RecordedServers
from recovery.plan.model import RecoveryPlan, size_text
from recovery.plan.registration import KnownVersion, PlanOrigin, version_differences
from recovery.text_format import timestamp
from settings import Settings
from storage.dynamodb import DynamoTable, Item, TableError, plain_item, read_item

_KIND = "VERSION"
_MEMBERSHIP = "MEMBERSHIP"
_CHUNK_CHARACTERS = 100_000
_READS_AT_ONCE = 8


class PlanTableError(TableError):
    """The registered plans could not be read or written; the message says what to do."""


class PlanVersion(Model):
    """A version of a registered plan, without the plan itself.

    Attributes:
        version: counted from 1.
        registered_time: epoch seconds.
        author: who registered it.
        waves: the number of waves.
        servers: the number of servers in all waves.
        waves_by_tag: the number of waves whose servers are looked up by tags at a start.
        source: the directory of plans that it was registered from.
        commit: of the repository, as the one who registered it says.
        commit_author: of that commit.
        removed_time: when the plan was removed (epoch seconds); its versions are kept.
        removed_by: who removed it.
    """

    plan_id: str
    version: int
    plan_hash: str
    plan_name: str
    author: str
    registered_time: float
    waves: int
    servers: int
    waves_by_tag: int = 0
    source: str | None = None
    commit: str | None = None
    commit_author: str | None = None
    removed_time: float | None = None
    removed_by: str | None = None

    @property
    def is_removed(self) -> bool:
        """Whether the plan was removed, and not registered again."""
        return self.removed_time is not None

    @property
    def origin(self) -> PlanOrigin:
        """Where it comes from."""
        return PlanOrigin(source=self.source, commit=self.commit, commit_author=self.commit_author)

    @property
    def size(self) -> str:
        """Its waves and servers, for people."""
        return size_text(self.waves, self.servers, self.waves_by_tag)

    @property
    def by(self) -> str:
        """Who registered it, and from which commit."""
        return ", ".join(filter(None, (self.author, self.origin.text)))

    @property
    def authors(self) -> set[str]:
        """Who wrote it: who registered it, and the author of the commit."""
        return {self.author, self.commit_author or self.author}


class RegisteredPlan(Model):
    """A version of a registered plan."""

    version: PlanVersion
    plan: RecoveryPlan

    @property
    def known(self) -> KnownVersion:
        """What another version is compared with."""
        version = self.version
        return KnownVersion(
            version=version.version,
            source=version.source,
            is_removed=version.is_removed,
            plan=self.plan,
        )


class NewerVersionError(Exception):
    """Somebody has registered a newer version of a plan; the message says who.

    Attributes:
        newest: the newest version; None if the expected one does not exist.
    """

    def __init__(self, after: int | None, newest: PlanVersion | None) -> None:
        there = "there is none"
        if newest is not None:
            when = timestamp(newest.registered_time)
            there = f"{newest.author} registered version {newest.version} ({when})"
        super().__init__(f"version {after} is not the newest; {there}")
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
        self,
        plan: RecoveryPlan,
        *,
        author: str,
        after: int | None = None,
        origin: PlanOrigin | None = None,
    ) -> tuple[PlanVersion, bool]:
        """Register a plan as the newest version of its PlanId.

        Args:
            plan: the plan.
            author: who registers it.
            after: only if this is the newest version, 0 for none; None to register in any case.
            origin: where it comes from.

        Returns:
            The version, and whether it is new: a plan equal to its newest version is not
            registered again.

        Raises:
            NewerVersionError: there is a newer version than `after`.
        """
        try:
            return await self._register(plan, author, after, origin or PlanOrigin())
        except AwsError as error:
            raise await self._error("write", error) from error

    async def remove(self, plan_id: str, *, by: str, after: int) -> PlanVersion:
        """Mark a plan as removed; its versions are kept, and it can be registered again.

        Args:
            plan_id: the plan.
            by: who removes it.
            after: only if this is the newest version.

        Returns:
            The newest version.

        Raises:
            NewerVersionError: there is a newer version than `after`, or none.
        """
        items = await self._version_items(plan_id)
        if not items:
            raise NewerVersionError(after, None)
        version = _version_of(items[0])
        if version.version != after:
            raise NewerVersionError(after, version)
        if version.is_removed:
            return version
        removed = {"removed_time": round(time.time(), 3), "removed_by": by}
        version = version.model_copy(update=removed)
        try:
            await self._put({**items[0], **plain_item(version)})
        except AwsError as error:
            raise await self._error("write", error) from error
        return version

    async def latest(self, *, with_removed: bool = False) -> list[PlanVersion]:
        """The newest version of each plan, by PlanId, without plans that were removed."""
        newest: dict[str, Item] = {}
        async for item in self._of_kind(_KIND):
            known = newest.setdefault(str(item["PlanId"]), item)
            if _number(known) < _number(item):
                newest[str(item["PlanId"])] = item
        found = [_version_of(newest[plan_id]) for plan_id in sorted(newest)]
        return [each for each in found if with_removed or not each.is_removed]

    async def newest(self) -> tuple[list[RegisteredPlan], list[str]]:
        """The newest version of each plan with its plan, and why others cannot be read."""
        limit = asyncio.Semaphore(_READS_AT_ONCE)

        async def read(plan_id: str) -> RegisteredPlan | PlanTableError | None:
            async with limit:
                try:
                    return await self.plan(plan_id)
                except PlanTableError as error:
                    return error

        found = await asyncio.gather(*(read(each.plan_id) for each in await self.latest()))
        plans = [each for each in found if isinstance(each, RegisteredPlan)]
        return plans, [str(each) for each in found if isinstance(each, PlanTableError)]

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

    async def plan_at(self, plan_id: str, moment: float) -> RegisteredPlan | None:
        """The version that was the newest at a time (epoch seconds); None if the plan had none."""
        versions = await self.versions(plan_id)
        found = next((v for v in versions if v.registered_time <= moment), None)
        if found is None or (found.removed_time or moment) < moment:
            return None
        return await self.plan(plan_id, found.version)

    async def recorded_servers(self, plan_id: str) -> RecordedServers | None:
        """The servers that were last recorded for a plan's tags; None if none were."""
        items = await self._with_key(plan_id, _MEMBERSHIP)
        text = await self._whole_text(items[0]) if items else None
        try:
            if text is None:
                return None
            found = RecordedServers.model_validate_json(text)
            return found.model_copy(update={"time": float(items[0].get("Time", 0.0))})
        except ValidationError:
            return None

    async def record_servers(self, plan_id: str, servers: RecordedServers) -> None:
        """Record the servers that a plan's tags match."""
        # Each look has another time, and seldom other servers.
        text = servers.model_copy(update={"time": 0.0}).model_dump_json(exclude_none=True)
        read = {"TextHash": _hash(text), "Time": Decimal(str(round(servers.time, 3)))}
        try:
            await self._write_text(plan_id, text, _hash(text))
            await self._put({"PlanId": plan_id, "Item": _MEMBERSHIP, **read})
        except AwsError as error:
            raise await self._error("write", error) from error

    async def _whole_text(self, item: Item) -> str | None:
        """The text that an item names; None if it is missing or altered."""
        chunks = await self._with_key(str(item["PlanId"]), f"TEXT#{item.get('TextHash')}#")
        text = "".join(str(chunk.get("Text")) for chunk in chunks)
        return text if _hash(text) == item.get("TextHash") else None

    async def registered_plan(self, plan_id: str) -> RegisteredPlan | None:
        """The newest version of a plan; None if there is none, or the plan was removed."""
        found = await self.plan(plan_id)
        return None if found is None or found.version.is_removed else found

    async def _text_of(self, item: Item) -> RecoveryPlan | None:
        """The plan of a version; None if it is missing or altered."""
        if (text := await self._whole_text(item)) is None:
            return None
        try:
            return RecoveryPlan.model_validate_json(text)
        except ValidationError:
            return None

    async def _version_items(self, plan_id: str) -> list[dict[str, Any]]:
        """The items of all versions, the newest first."""
        return (await self._with_key(plan_id, f"{_KIND}#"))[::-1]

    async def _register(
        self, plan: RecoveryPlan, author: str, after: int | None, origin: PlanOrigin
    ) -> tuple[PlanVersion, bool]:
        text, plan_hash = plan.model_dump_json(exclude_none=True), plan.plan_hash
        # Plans with the same hash may differ in parts without effect, such as the order of waves.
        text_hash = _hash(text)
        written = False
        while True:
            items = await self._version_items(plan.plan_id)
            known = await self._registered_as(items[0], plan, origin) if items else None
            if known is not None:
                return known, False
            newest = _number(items[0]) if items else 0
            if after not in (None, newest):
                raise NewerVersionError(after, _version_of(items[0]) if items else None)
            if not written:
                await self._write_text(plan.plan_id, text, text_hash)
                written = True
            if origin.source is None and items:
                # A file that is registered by itself stays in its directory.
                origin = origin.model_copy(update={"source": items[0].get("Source")})
            version = PlanVersion(
                plan_id=plan.plan_id,
                version=newest + 1,
                plan_hash=plan_hash,
                plan_name=plan.plan_name,
                author=author,
                registered_time=round(time.time(), 3),
                waves=len(plan.waves),
                servers=plan.server_count,
                waves_by_tag=plan.unknown_waves,
                **dict(origin),
            )
            key = {"Item": f"{_KIND}#{version.version:05}", "Kind": _KIND}
            item = plain_item(version) | key | {"TextHash": text_hash}
            # Another caller may have registered a version since.
            if await self._put(item, Attr("PlanId").not_exists()):
                return version, True

    async def _registered_as(
        self, item: Item, plan: RecoveryPlan, origin: PlanOrigin
    ) -> PlanVersion | None:
        """The version of an item, if it is complete, not removed, and is this plan."""
        if (text := await self._text_of(item)) is None:
            return None
        try:
            version = _version_of(item)
        except PlanTableError:
            return None
        known = RegisteredPlan(version=version, plan=text).known
        is_same = not known.is_removed and not version_differences(known, plan, origin.source)
        return version if is_same else None

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

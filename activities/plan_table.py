"""Registered plans in DynamoDB: every version with its hash and its author.

One table, keyed by `PlanId` and `Item`: `VERSION#00001`… say what a version is and who registered
it when; `TEXT#<hash>#0000`… hold a plan in chunks, written before the version that names them, so
that a version is whole as soon as it is there.
"""

import hashlib
import time
from typing import Any

from pydantic import ValidationError

from activities.aws import AwsTrouble
from activities.dynamodb import DynamoTable, Item, TableError, plain_item, read_item
from recovery.model import Model
from recovery.plan import RecoveryPlan
from settings import Settings

_KIND = "VERSION"
_CHUNK_CHARACTERS = 100_000


class PlanTableError(TableError):
    """The registered plans could not be read or written; the message says what to do."""


class PlanVersion(Model):
    """A version of a registered plan, without the plan itself.

    Attributes:
        version: counted from 1.
        registered_time: epoch seconds.
        waves: how many.
        servers: how many in all waves.
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


class PlanTable(DynamoTable):
    """The DynamoDB table of plans. Its methods raise `PlanTableError`."""

    what = "plan table"
    key = ("PlanId", "Item")
    index = ("Versions", "RegisteredTime")
    error = PlanTableError

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.plan_table, settings.history_region)

    async def register(self, plan: RecoveryPlan, *, author: str) -> tuple[PlanVersion, bool]:
        """Keep a plan as the newest version of its PlanId.

        Args:
            plan: the plan.
            author: who registers it.

        Returns:
            The version, and whether it is new: a plan that is as its newest version is not
            registered again.
        """
        try:
            return await self._register(plan, author)
        except AwsTrouble as trouble:
            raise self._error("write", trouble) from trouble

    async def latest(self) -> list[PlanVersion]:
        """The newest version of each plan, by PlanId."""
        newest: dict[str, PlanVersion] = {}
        async for item in self._of_kind(_KIND):
            version = _version_of(item)
            known = newest.get(version.plan_id)
            if known is None or known.version < version.version:
                newest[version.plan_id] = version
        return [newest[plan_id] for plan_id in sorted(newest)]

    async def versions(self, plan_id: str) -> list[PlanVersion]:
        """All versions of a plan, the newest first."""
        return [_version_of(item) for item in await self._version_items(plan_id)]

    async def plan(self, plan_id: str, version: int | None = None) -> RegisteredPlan | None:
        """A version of a plan; None where there is none.

        Args:
            plan_id: the plan.
            version: its version; None for the newest.
        """
        items = await self._version_items(plan_id)
        item = next((i for i in items if version in (None, int(i["Version"]))), None)
        if item is None:
            return None
        found = _version_of(item)
        chunks = await self._with_key(plan_id, f"TEXT#{item.get('TextHash')}#")
        try:
            plan = RecoveryPlan.model_validate_json("".join(str(c.get("Text")) for c in chunks))
        except ValidationError as error:
            raise PlanTableError(
                f"Version {found.version} of {plan_id} in {self.name} cannot be read; register "
                "the plan again"
            ) from error
        return RegisteredPlan(version=found, plan=plan)

    async def _version_items(self, plan_id: str) -> list[dict[str, Any]]:
        """The items of all versions, the newest first."""
        return (await self._with_key(plan_id, f"{_KIND}#"))[::-1]

    async def _register(self, plan: RecoveryPlan, author: str) -> tuple[PlanVersion, bool]:
        text, plan_hash = plan.model_dump_json(exclude_none=True), plan.plan_hash
        # Plans of one hash may differ in what has no effect, such as the order of their waves.
        text_hash = hashlib.sha256(text.encode()).hexdigest()
        written = False
        while True:
            versions = await self.versions(plan.plan_id)
            if versions and versions[0].plan_hash == plan_hash:
                return versions[0], False
            if not written:
                for number, start in enumerate(range(0, len(text), _CHUNK_CHARACTERS)):
                    chunk = text[start : start + _CHUNK_CHARACTERS]
                    item = {"PlanId": plan.plan_id, "Item": f"TEXT#{text_hash}#{number:04}"}
                    await self._put_if({**item, "Text": chunk}, "attribute_not_exists(PlanId)")
                written = True
            version = PlanVersion(
                plan_id=plan.plan_id,
                version=versions[0].version + 1 if versions else 1,
                plan_hash=plan_hash,
                plan_name=plan.plan_name,
                author=author,
                registered_time=round(time.time(), 3),
                waves=len(plan.waves),
                servers=plan.server_count,
            )
            # Somebody else may have registered a version meanwhile.
            if await self._put_if(_item_of(version, text_hash), "attribute_not_exists(PlanId)"):
                return version, True


def _item_of(version: PlanVersion, text_hash: str) -> dict[str, Any]:
    item = f"{_KIND}#{version.version:05}"
    own = {"Item": item, "Kind": _KIND, "TextHash": text_hash}
    return plain_item(version) | own


def _version_of(item: Item) -> PlanVersion:
    try:
        return read_item(PlanVersion, item)
    except ValidationError as error:
        raise PlanTableError(
            f"{item.get('Item')} of plan {item.get('PlanId')} cannot be read; register it again"
        ) from error

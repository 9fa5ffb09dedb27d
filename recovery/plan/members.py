"""The source servers that a wave's tags match, as DRS has them and as they were recorded. Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from recovery.base_model import Model
from recovery.launch_settings.model import TagName, TagValue
from recovery.plan.fields import AccountId, Region, RoleArn

# Source: the quota of tags of one AWS resource.
_MAX_TAGS = 50
ServerTags = Annotated[dict[TagName, TagValue], Field(min_length=1, max_length=_MAX_TAGS)]


def tags_text(tags: Mapping[str, str]) -> str:
    """Tags as people write them."""
    return ", ".join(f"{name}={value}" for name, value in sorted(tags.items()))


class TaggedServers(Model):
    """The servers that the tags of one wave match.

    Attributes:
        tags: a server has all of them.
        servers: the name of each, None if DRS has none, by source server ID.
    """

    wave_id: str
    tags: dict[str, str]
    region: Region
    role_arn: RoleArn | None = None
    account_id: AccountId | None = None
    servers: dict[str, str | None] = {}

    def is_for(self, other: "TaggedServers") -> bool:
        """Whether it answers the same question: the same wave, tags and target."""
        return self.model_copy(update={"servers": other.servers}) == other


class FoundServers(Model):
    """What DRS has for the waves of a plan that name tags.

    Attributes:
        time: when it was read (epoch seconds).
        waves: those that could be read.
        errors: why others could not be read.
    """

    time: float
    waves: list[TaggedServers] = []
    errors: list[str] = []


class RecordedServers(Model):
    """What was last recorded for the waves of a plan that name tags.

    Attributes:
        time: when DRS was read (epoch seconds).
    """

    time: float
    waves: list[TaggedServers] = []

    def of(self, asked: TaggedServers) -> TaggedServers | None:
        """What is recorded for a wave with these tags and this target; None if nothing is."""
        return next((each for each in self.waves if each.is_for(asked)), None)


class TaggedMembership(Model):
    """What DRS has and what was recorded before, for one plan.

    Attributes:
        recorded: as it was before this look; None if nothing was.
        recorded_error: why that is not known, or why what was found could not be recorded.
    """

    found: FoundServers
    recorded: RecordedServers | None = None
    recorded_error: str | None = None


class MembershipKind(StrEnum):
    """Which servers an execution has for the waves that name tags."""

    FOUND = "FOUND"
    """Those that DRS had when it was started."""
    RECORDED = "RECORDED"
    """Those that were last recorded."""


class Membership(Model):
    """Where the servers of the waves that name tags come from; fixed at the start.

    Attributes:
        time: when DRS was read for them (epoch seconds).
        reason: why those recorded are used, and not those found.
        added: servers that were found and not recorded; with RECORDED, they are not launched.
        gone: servers that were recorded and not found; with RECORDED, they are launched.
    """

    model_config = ConfigDict(frozen=True)

    kind: MembershipKind
    time: float
    reason: str | None = None
    added: list[str] = []
    gone: list[str] = []


def ids_of(waves: Iterable[TaggedServers]) -> dict[str, list[str]]:
    """The source server IDs in order, by WaveId."""
    return {each.wave_id: sorted(each.servers) for each in waves}

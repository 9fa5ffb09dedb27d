"""What registering plans changes, and where a version comes from. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from pydantic import ConfigDict

from recovery.access.approvals import weakens_approvals
from recovery.base_model import Model
from recovery.plan.diff import differences
from recovery.plan.model import RecoveryPlan

_CREDENTIALS = re.compile(r"^(\w+://)[^/@]*@")
_SSH_SHORTHAND = re.compile(r"^(?:[^/@]+@)?([^/:]+):(?!//)(.+)$")


class PlanOrigin(Model):
    """Where a registered version comes from, as the one who registers it says.

    Attributes:
        source: the directory of plans; `register --sync --prune` removes plans of it alone.
        commit: of the repository that the file is in.
        commit_author: of that commit.
    """

    model_config = ConfigDict(frozen=True)

    source: str | None = None
    commit: str | None = None
    commit_author: str | None = None

    @property
    def text(self) -> str:
        """The commit and its author, for people; empty if neither is known."""
        commit = f"commit {self.commit[:12]}" if self.commit else ""
        return " by ".join(filter(None, (commit, self.commit_author)))


class KnownVersion(Model):
    """The newest registered version of a plan.

    Attributes:
        source: as in `PlanOrigin`.
    """

    version: int
    source: str | None = None
    is_removed: bool = False
    plan: RecoveryPlan


class RegistrationChange(StrEnum):
    """What registering does to a plan."""

    ADDED = "ADDED"
    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    REMOVED = "REMOVED"


class PlanRegistration(Model):
    """What registering does, or would do, to one plan.

    Attributes:
        file: None for a plan that is removed.
        version: that results; None if nothing was written.
        differences: to the registered version, a line each.
        weakens: the approvals that it no longer asks for; an approver must register it.
    """

    plan_id: str
    file: str | None = None
    change: RegistrationChange
    version: int | None = None
    differences: list[str] = []
    weakens: list[str] = []

    @property
    def is_change(self) -> bool:
        """Whether anything is written."""
        return self.change is not RegistrationChange.UNCHANGED


def registration_of(
    plan: RecoveryPlan, known: KnownVersion | None, *, file: str | None, source: str | None
) -> PlanRegistration:
    """What registering a plan changes.

    Args:
        plan: the plan.
        known: its newest registered version.
        file: the plan's file.
        source: the directory that it is registered from; None for none.
    """
    found = PlanRegistration(plan_id=plan.plan_id, file=file, change=RegistrationChange.ADDED)
    if known is None:
        return found
    found.differences = version_differences(known, plan, source)
    found.weakens = weakens_approvals(known.plan, plan)
    if known.is_removed:
        return found
    if found.differences:
        found.change = RegistrationChange.CHANGED
    else:
        found.change, found.version = RegistrationChange.UNCHANGED, known.version
    return found


def version_differences(
    known: KnownVersion, plan: RecoveryPlan, source: str | None = None
) -> list[str]:
    """How a plan differs from its newest version; empty if it need not be registered again.

    Keys that the hash leaves out count too, such as Notify. Without a source, the version's stays.
    """
    found = differences(known.plan, plan)
    if not found and known.plan.plan_hash != plan.plan_hash:
        found = ["~ plan: changed"]
    if source not in (None, known.source):
        found.append(f"~ registered from {known.source or 'no directory'} → {source}")
    return found


def to_remove(
    given: Iterable[str], known: Mapping[str, KnownVersion | None], source: str
) -> Sequence[str]:
    """The plans that a directory registered before and no longer has, by PlanId.

    Args:
        given: the PlanIds that it has.
        known: the newest registered versions, by PlanId.
        source: the directory.
    """
    left = known.keys() - set(given)
    return sorted(i for i in left if (v := known[i]) and v.source == source and not v.is_removed)


def source_of(remote: str, path: str) -> str:
    """The name of a directory in a repository, the same however it is cloned.

    Args:
        remote: the repository's address, by HTTPS or SSH.
        path: of the directory in it; empty for its root.
    """
    address = _CREDENTIALS.sub(r"\1", remote.strip())
    if "://" in address:
        address = address.partition("://")[2]
    elif found := _SSH_SHORTHAND.match(address):
        address = f"{found[1]}/{found[2]}"
    address = address.removesuffix("/").removesuffix(".git")
    path = path.strip("/")
    return f"{address}//{path}" if path else address

"""Changes that workflows begun before them must not follow; see docs/development.md."""

from enum import StrEnum, unique


@unique
class Patch(StrEnum):
    """The IDs under which Temporal's histories remember a change; one is never used again."""

    HISTORY_REPAIR = "history-repair"
    """A plan leaves what DynamoDB has not taken to a workflow of its own, instead of waiting."""

    SHARED_LAUNCHING = "shared-launching"
    """A wave is launched by the launcher of its account and Region, instead of by itself."""

    WATCH_ANEW = "watch-anew"
    """The launcher awaits a change of the jobs it saw last, not of those it once began to watch."""

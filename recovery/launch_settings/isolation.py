"""Where a drill is isolated, and whether its launch templates are as before: for every screen."""

from dataclasses import dataclass, field

from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionState
from recovery.launch_settings.isolation_text import isolation_text
from recovery.text_format import count, listed

_NAMES_SHOWN = 5


@dataclass
class Restored:
    """What is known of the launch templates that a drill changed.

    Attributes:
        back: the servers whose template has its earlier default version again.
        changed: those whose default is another version, neither the earlier nor the drill's.
        held: those whose default was the drill's version when it was last read.
        unread: those whose template was not read since.
    """

    back: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, state: ExecutionState) -> "Restored":
        """That of a drill, as its servers' instances were looked up."""
        found = cls()
        for wave in state.waves:
            for server in wave.servers:
                if server.source_server_id in wave.drill_subnets:
                    found._add(server)
        return found

    @property
    def number(self) -> int:
        """How many templates the drill changed."""
        return sum(map(len, (self.back, self.changed, self.held, self.unread)))

    def _add(self, server: ServerResult) -> None:
        network = server.network
        if network is None or network.template_id is None:
            return
        after = network.version_after
        if after is None:
            found = self.unread
        elif after == network.version_before:
            found = self.back
        elif after == network.version_during:
            found = self.held
        else:
            found = self.changed
        found.append(server.source_server_id)


def isolation_lines(state: ExecutionState) -> list[str]:
    """Where a drill is isolated, and whether everything was put back; empty without isolation."""
    where = isolation_text(
        (wave.wave_name, [wave.drill_subnets.get(s.source_server_id) for s in wave.servers])
        for wave in state.waves
        if wave.servers
    )
    return [f"drill {where}", *_restored_lines(state)] if where else []


def _restored_lines(state: ExecutionState) -> list[str]:
    found, cleanup = Restored.of(state), state.cleanup
    if not found.number:
        return []
    templates = count(found.number, "launch template")
    if cleanup is not None and cleanup.end_time is not None:
        if not cleanup.differences:
            number = len(cleanup.applied)
            since = f", of which launch-settings apply has changed {number} since" if number else ""
            return [f"{templates} as before the drill, compared by the clean-up{since}"]
        number = len(cleanup.differences)
        return [f"NOT as before the drill, by the clean-up: {count(number, 'launch template')}"]
    if len(found.back) == found.number:
        return [f"{templates} put back as before the drill"]
    parts = [f"{len(found.back)} of {templates} put back as before the drill"]
    for servers, text in (
        (found.held, "with the drill's version when last read"),
        (found.changed, "with another version, which somebody made the default"),
        (found.unread, "not read since the drill's launch"),
    ):
        if servers:
            names = listed([state.server_label(i) for i in servers], shown=_NAMES_SHOWN)
            parts.append(f"{len(servers)} {text}: {names}")
    line = "; ".join(parts)
    if state.end_time is None:
        return [line]
    return [f"{line}. drs-waves launch-settings restore shows what is left, before it asks"]

"""The readable parts of a plan file, which may contain mistakes.

Mistakes in one part are reported here; `recovery.plan.file.checks` compares the parts.
"""

from collections.abc import Mapping
from typing import Any

from recovery.plan.file.keys import (
    CHANNEL_KEYS,
    DEPENDENCY_KEYS,
    PLAN_KEYS,
    RECOVERY_KEYS,
    SERVER_KEYS,
    WAVE_KEYS,
    Key,
    Section,
)
from recovery.plan.file.nodes import Kind, Node
from recovery.plan.file.problems import Report, printable, unusual_characters
from recovery.plan.model import MAX_SERVERS_PER_WAVE, MAX_WAVES

_MAX_CHANNELS = 50
_ENTRY = {
    "Waves": "WaveId: <WaveId>",
    "Servers": "SourceServerId: <source server ID>",
    "ServerIds": "<source server ID>",
    "Dependencies": "DependsOnWaveId: <WaveId>",
    "Notify": "Channel: <channel>",
}


class WaveDraft(Section):
    """A wave of the file.

    Attributes:
        wave_id: Its WaveId as written, even if malformed, because other waves may name it; None
            if there is none.
        servers: Its servers with a valid ID.
        server_total: The number of servers it lists, valid or not.
        dependencies: What it waits for; each DependsOnWaveId as written.
    """

    def __init__(self, node: Node, number: int, report: Report) -> None:
        super().__init__(node, WAVE_KEYS, report)
        written = self.given.get("WaveId")
        self.wave_id = (written.text or None) if written is not None and written.is_scalar else None
        self.wave = self.wave_id or f"number {number}"
        self.servers: list[Section] = []
        self.server_total = 0
        self.dependencies: list[Section] = []
        self.read()
        self._read_approval()
        self._read_servers()
        if given := self.given.get("Dependencies"):
            entries = _entries(self, "Dependencies", given, MAX_WAVES)
            self.dependencies = _parts(self, "Dependencies", entries, DEPENDENCY_KEYS)

    def _read_approval(self) -> None:
        pause = self.values.pop("PauseBeforeWave", None)
        if pause is not None and self.values.setdefault("ApprovalRequired", pause) != pause:
            self.problem(
                self.given["PauseBeforeWave"],
                "PauseBeforeWave and ApprovalRequired mean the same but differ; keep one of them",
                value=self.given["PauseBeforeWave"].text,
            )

    def _read_servers(self) -> None:
        objects, plain = self.given.get("Servers"), self.given.get("ServerIds")
        if objects is not None and plain is not None:
            self.problem(plain, "the wave has both Servers and ServerIds; keep one of them")
        given = objects or plain
        if given is None or (given.kind is Kind.LIST and not given.items):
            blank = self.blank.get("ServerIds") or self.blank.get("Servers")
            location = given or blank or self.line
            self.problem(location, "the wave has no servers; list their IDs under ServerIds")
            return
        key = "ServerIds" if objects is None else "Servers"
        self.server_total = len(given.items)
        entries = _entries(self, key, given, MAX_SERVERS_PER_WAVE)
        self.servers = _parts(self, key, entries, SERVER_KEYS)


class PlanDraft(Section):
    """A plan file.

    Attributes:
        waves: Its waves, in the order of the file.
        channels: The channels that it names.
        all_waves_read: Whether `waves` holds every wave of the file.
    """

    def __init__(self, root: Node, report: Report) -> None:
        super().__init__(root, PLAN_KEYS, report)
        self.read()
        self._read_recovery()
        self.waves: list[WaveDraft] = []
        self.channels: list[Section] = []
        if given := self.given.get("Notify"):
            entries = _entries(self, "Notify", given, _MAX_CHANNELS)
            self.channels = _parts(self, "Notify", entries, CHANNEL_KEYS)
        self.all_waves_read = True
        waves = self.given.get("Waves")
        if waves is None or (waves.kind is Kind.LIST and not waves.items):
            location = self.blank.get("Waves") or waves or self.line
            self.problem(location, "the plan has no waves; list them under Waves")
            return
        entries = _entries(self, "Waves", waves, MAX_WAVES)
        if waves.kind is not Kind.LIST:
            return
        for number, item in enumerate(entries, start=1):
            if item.kind is Kind.MAPPING:
                self.waves.append(WaveDraft(item, number, report))
            else:
                report.problem(
                    item.line,
                    f"a wave is {item.kind}; write a mapping with WaveId and ServerIds",
                    wave=f"number {number}",
                    value=item.text or None,
                )
        self.all_waves_read = len(self.waves) == len(waves.items)

    def _read_recovery(self) -> None:
        given = self.given.get("Recovery")
        if given is None:
            return
        if given.kind is not Kind.MAPPING:
            message = f"Recovery is {given.kind}; write a mapping with {', '.join(RECOVERY_KEYS)}"
            self.problem(given, message, value=given.text or None)
            return
        section = Section(given, RECOVERY_KEYS, self.report)
        section.read()
        self.values["Recovery"] = section.values

    def content(self) -> dict[str, Any]:
        """Return the plan as its model reads it."""
        waves = [
            {
                **wave.values,
                "Servers": [server.values for server in wave.servers],
                "Dependencies": [dependency.values for dependency in wave.dependencies],
            }
            for wave in self.waves
        ]
        channels = [channel.values for channel in self.channels]
        return {**self.values, "Notify": channels, "Waves": waves}


def _parts(
    section: Section, key: str, entries: list[Node], keys: Mapping[str, Key]
) -> list[Section]:
    """Read the mappings of a list, in which a plain ID stands for the mapping that has it."""
    id_key = next(iter(keys))
    parts = []
    for entry in entries:
        # What stands there instead of a list is reported already.
        is_listed = entry is not section.given[key]
        node = entry
        if entry.kind is Kind.MAPPING:
            if is_listed and key == "ServerIds":
                section.problem(entry, "ServerIds takes plain IDs; list mappings under Servers")
        elif entry.is_scalar:
            if is_listed and key != "ServerIds":
                message = f'write "- {id_key}: {printable(entry.text)}"'
                message += ", or use ServerIds" if key == "Servers" else ""
                section.problem(entry, f"{key} takes mappings; {message}", value=entry.text)
            node = Node(Kind.MAPPING, entry.line, entries={id_key: entry})
        else:
            section.problem(entry, f'an entry of {key} is {entry.kind}; write "- {_ENTRY[key]}"')
            continue
        part = Section(node, keys, section.report, wave=section.wave)
        part.read()
        if id_key in part.values:
            parts.append(part)
    return parts


def _entries(section: Section, key: str, given: Node, limit: int) -> list[Node]:
    """Return a list's items; for another value, report it and return it as the only item."""
    if given.kind is not Kind.LIST:
        # A no-break space after "-" makes a list a text or a mapping.
        named = unusual_characters(given.text or "".join(given.entries))
        what = f"{given.kind} with {named}" if named else given.kind
        message = f'{key} is {what}; write a list of "- {_ENTRY[key]}"'
        section.problem(given, message, value=given.text or None)
        return [given]
    if (length := len(given.items)) > limit:
        whole = "plan" if key in ("Waves", "Notify") else "wave"
        what = "servers" if key == "ServerIds" else key.lower()
        message = f"the {whole} has {length:,} {what}; split it, at most {limit:,} a {whole}"
        section.problem(given, message, value=str(length))
    return given.items[:limit]

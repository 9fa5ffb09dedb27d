"""The readable parts of a plan file, which may contain mistakes.

Mistakes in one part are reported here; `recovery.plan.file.checks` compares the parts.
"""

from dataclasses import dataclass, field
from typing import Any

from recovery.plan.file.keys import (
    DEPENDENCY_KEYS,
    PLAN_KEYS,
    SERVER_KEYS,
    WAVE_KEYS,
    InvalidValue,
    Section,
    check_value,
)
from recovery.plan.file.nodes import Kind, Node
from recovery.plan.file.problems import Report, printable
from recovery.plan.model import MAX_SERVERS_PER_WAVE, MAX_WAVES

# Keys that have no single value.
_NOT_SINGLE = (
    "Waves",
    "Servers",
    "ServerIds",
    "Dependencies",
    "ApprovalRequired",
    "PauseBeforeWave",
)
_ENTRY = {
    "Servers": "SourceServerId: <source server ID>",
    "ServerIds": "<source server ID>",
    "Dependencies": "DependsOnWaveId: <WaveId>",
}


@dataclass
class ServerDraft:
    """A server's valid values, by key; its SourceServerId is always valid."""

    line: int
    values: dict[str, Any]

    @property
    def id(self) -> str:
        """The source server ID."""
        return str(self.values["SourceServerId"])


@dataclass
class DependencyDraft:
    """A dependency as written; `wave_id` becomes the exact WaveId."""

    line: int
    wave_id: str


@dataclass
class WaveDraft:
    """A wave of the file.

    Attributes:
        section: Its mapping.
        wave_id: Its WaveId as written, even if malformed, because other waves may name it; None
            if there is none.
        values: The valid values of its keys.
        servers: Its servers with a valid ID.
        server_total: The number of servers it lists, valid or not.
        dependencies: What it waits for, as written.
    """

    section: Section
    wave_id: str | None
    values: dict[str, Any]
    servers: list[ServerDraft] = field(default_factory=list)
    server_total: int = 0
    dependencies: list[DependencyDraft] = field(default_factory=list)


@dataclass
class PlanDraft:
    """A plan file.

    Attributes:
        section: Its mapping.
        values: The valid values of the plan's own keys.
        waves: Its waves, in the order of the file.
        all_waves_read: Whether `waves` holds every wave of the file.
    """

    section: Section
    values: dict[str, Any]
    waves: list[WaveDraft] = field(default_factory=list)
    all_waves_read: bool = True


def read_draft(root: Node, report: Report) -> PlanDraft | None:
    """Read the readable parts, and report the others.

    Returns:
        The draft; None if the file is not a mapping.
    """
    if root.kind is not Kind.MAPPING:
        what = "the file is empty" if root.kind is Kind.NULL else f"the file holds {root.kind}"
        report.problem(root.line, f"{what}; a plan is a mapping with PlanId and Waves")
        return None
    section = Section(root, PLAN_KEYS, report)
    section.report_keys()
    keys = [key for key in PLAN_KEYS if key not in _NOT_SINGLE]
    draft = PlanDraft(section, section.values(keys, required=("PlanId",)))
    waves = section.given.get("Waves")
    if waves is None or (waves.kind is Kind.LIST and not waves.items):
        location = section.blank.get("Waves") or waves or section.line
        section.problem(location, "the plan has no waves; list them under Waves")
        return draft
    if waves.kind is not Kind.LIST:
        message = f'Waves is {waves.kind}; write a list, each wave beginning with "- WaveId:"'
        section.problem(waves, message, value=waves.text or None)
        return draft
    if len(waves.items) > MAX_WAVES:
        message = f"the plan has {len(waves.items):,} waves; split it, at most {MAX_WAVES:,} a plan"
        section.problem(waves, message, value=str(len(waves.items)))
        draft.all_waves_read = False
    for number, item in enumerate(waves.items[:MAX_WAVES], start=1):
        if item.kind is Kind.MAPPING:
            draft.waves.append(_read_wave(item, number, report))
        else:
            report.problem(
                item.line,
                f"a wave is {item.kind}; write a mapping with WaveId and ServerIds",
                wave=f"number {number}",
                value=item.text or None,
            )
            draft.all_waves_read = False
    return draft


def _read_wave(node: Node, number: int, report: Report) -> WaveDraft:
    section = Section(node, WAVE_KEYS, report)
    written = section.given.get("WaveId")
    wave_id = (written.text or None) if written is not None and written.is_scalar else None
    section.wave = wave_id or f"number {number}"
    section.report_keys()
    keys = [key for key in WAVE_KEYS if key not in _NOT_SINGLE]
    draft = WaveDraft(section, wave_id, section.values(keys, required=("WaveId",)))
    _read_approval(draft)
    _read_servers(draft, report)
    _read_dependencies(draft, report)
    return draft


def _read_approval(wave: WaveDraft) -> None:
    answers = wave.section.values(("ApprovalRequired", "PauseBeforeWave"))
    if len(set(answers.values())) > 1:
        wave.section.problem(
            wave.section.given["PauseBeforeWave"],
            "PauseBeforeWave and ApprovalRequired mean the same but differ; keep one of them",
            value=wave.section.given["PauseBeforeWave"].text,
        )
    elif answers:
        wave.values["ApprovalRequired"] = next(iter(answers.values()))


def _read_servers(wave: WaveDraft, report: Report) -> None:
    section = wave.section
    objects, plain = section.given.get("Servers"), section.given.get("ServerIds")
    if objects is not None and plain is not None:
        section.problem(plain, "the wave has both Servers and ServerIds; keep one of them")
    given = objects or plain
    if given is None or (given.kind is Kind.LIST and not given.items):
        blank = section.blank.get("ServerIds") or section.blank.get("Servers")
        location = given or blank or section.line
        section.problem(location, "the wave has no servers; list their IDs under ServerIds")
        return
    key = "ServerIds" if objects is None else "Servers"
    entries = _entries(section, key, given)
    wave.server_total = len(entries)
    if len(entries) > MAX_SERVERS_PER_WAVE:
        section.problem(
            given,
            f"the wave has {len(entries):,} servers; split it, at most {MAX_SERVERS_PER_WAVE} "
            "a wave",
            value=str(len(entries)),
        )
    for entry in entries[:MAX_SERVERS_PER_WAVE]:
        server = _read_server(section, key, entry, report)
        if server is not None:
            wave.servers.append(server)


def _read_server(wave: Section, key: str, entry: Node, report: Report) -> ServerDraft | None:
    if entry.kind is Kind.MAPPING:
        if key == "ServerIds" and entry is not wave.given[key]:
            wave.problem(entry, "ServerIds takes plain IDs; list mappings under Servers")
        section = Section(entry, SERVER_KEYS, report, wave=wave.wave)
        section.report_keys()
        values = section.values(SERVER_KEYS, required=("SourceServerId",))
        return ServerDraft(entry.line, values) if "SourceServerId" in values else None
    if not entry.is_scalar:
        wave.problem(entry, f"an entry of {key} is {entry.kind}; write a source server ID")
        return None
    if key == "Servers" and entry is not wave.given[key]:
        shown = printable(entry.text)
        message = f'Servers takes mappings; write "- SourceServerId: {shown}", or use ServerIds'
        wave.problem(entry, message, value=entry.text)
    value = check_value("SourceServerId", entry)
    if isinstance(value, InvalidValue):
        wave.problem(entry, value.message, value=entry.text)
        return None
    return ServerDraft(entry.line, {"SourceServerId": value})


def _read_dependencies(wave: WaveDraft, report: Report) -> None:
    section = wave.section
    given = section.given.get("Dependencies")
    if given is None:
        return
    entries = _entries(section, "Dependencies", given)
    if len(entries) > MAX_WAVES:
        message = f"the wave has {len(entries):,} dependencies; a plan has at most {MAX_WAVES:,}"
        section.problem(given, f"{message} waves", value=str(len(entries)))
    for entry in entries[:MAX_WAVES]:
        if entry.kind is Kind.MAPPING:
            part = Section(entry, DEPENDENCY_KEYS, report, wave=section.wave)
            part.report_keys()
            named = part.given.get("DependsOnWaveId")
            if named is None or not named.is_scalar:
                part.values(DEPENDENCY_KEYS, required=DEPENDENCY_KEYS)
                continue
            if named.kind is not Kind.TEXT:
                part.values(DEPENDENCY_KEYS)
            wave.dependencies.append(DependencyDraft(named.line, named.text))
        elif entry.is_scalar:
            if entry is not given:
                shown = printable(entry.text)
                message = f'a dependency is a mapping; write "- DependsOnWaveId: {shown}"'
                section.problem(entry, message, value=entry.text)
            if entry.kind is Kind.TEXT:
                wave.dependencies.append(DependencyDraft(entry.line, entry.text))
        else:
            message = f'a dependency is {entry.kind}; write "- DependsOnWaveId: <WaveId>"'
            section.problem(entry, message)


def _entries(section: Section, key: str, given: Node) -> list[Node]:
    """Return a list's items; for another value, report it and return it as the only item."""
    if given.kind is Kind.LIST:
        return given.items
    message = f'{key} is {given.kind}; write a list of "- {_ENTRY[key]}"'
    section.problem(given, message, value=given.text or None)
    return [given]

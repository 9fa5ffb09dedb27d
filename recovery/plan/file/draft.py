"""The readable parts of a plan file, which may contain mistakes.

Mistakes in one part are reported here; `recovery.plan.file.checks` compares the parts.
"""

from typing import Any

from recovery.plan.file.keys import (
    CHANNEL,
    DEPENDENCY,
    KINDS,
    PLAN,
    SERVER,
    STEP,
    WAVE,
    Level,
    nearest,
)
from recovery.plan.file.problems import Report, printable, unusual_characters
from recovery.plan.file.section import Section
from recovery.plan.file.text.nodes import Kind, Node
from recovery.plan.limits import MAX_STEPS_PER_PLAN
from recovery.plan.model import MAX_SERVERS_PER_WAVE, MAX_WAVES
from recovery.steps.model import MAX_STEPS_PER_LIST, Step, StepPhase
from recovery.steps.reference_places import Place
from recovery.steps.rules import StepProblem, WaveSteps, problems_alone

_STEP_LISTS = {
    "PreLaunchSteps": StepPhase.PRE_LAUNCH,
    "Steps": StepPhase.ALONE,
    "PostLaunchSteps": StepPhase.POST_LAUNCH,
}
# How many entries the lists of a file may have.
MOST_ENTRIES = {
    "Waves": MAX_WAVES,
    "Servers": MAX_SERVERS_PER_WAVE,
    "ServerIds": MAX_SERVERS_PER_WAVE,
    "Dependencies": MAX_WAVES,
    "Notify": 50,
    **dict.fromkeys(_STEP_LISTS, MAX_STEPS_PER_LIST),
}
_ENTRY = {
    "Waves": "WaveId: <WaveId>",
    "Servers": "SourceServerId: <source server ID>",
    "ServerIds": "<source server ID>",
    "Dependencies": "DependsOnWaveId: <WaveId>",
    "Notify": "Channel: <channel>",
    "PreLaunchSteps": "StepId: <StepId>",
    "PostLaunchSteps": "StepId: <StepId>",
    "Steps": "StepId: <StepId>",
}


class StepDraft(Section):
    """A step of the file.

    Attributes:
        step_id: Its StepId as written, even if malformed; None if there is none.
        phase: When it runs.
        valid: The step, if it is valid by itself.
    """

    def __init__(
        self, node: Node, number: int, phase: StepPhase, wave: str | None, report: Report
    ) -> None:
        super().__init__(node, STEP, report, wave=wave)
        self.step_id = _id_of(self.given.get("StepId"))
        self.step = self.step_id or f"number {number}"
        self.phase = phase
        self.valid: Step | None = None
        before = report.reported
        self.read()
        self._check_kind()
        resolve_account(self, "RoleArn", "correct one of them")
        if report.reported == before:
            self.valid = Step.model_validate(self.values)
            for found in problems_alone(self.valid, phase):
                self.report_at(found)

    def report_at(self, found: StepProblem) -> None:
        """Report a problem at the line of its place."""
        self.problem(self._node_at(found.place), found.message)

    def _node_at(self, place: Place) -> Node | int:
        node: Node | None = None
        for step in place:
            if node is None:
                node = self.given.get(str(step))
            elif isinstance(step, int):
                node = node.items[step]
            else:
                meant = (key for key in node.entries if nearest(key, (step,)))
                node = node.entries.get(step) or node.entries.get(next(meant, ""), node)
        return self.line if node is None else node

    def _unknown_hint(self, node: Node) -> str:
        return f"write one of {', '.join(KINDS)}" if self._may_be_kind(node) else "remove it"

    def _may_be_kind(self, node: Node) -> bool:
        """Whether the value of an unknown key is written as that of a kind that is missing."""
        has_kind = any(kind in self.given or kind in self.blank for kind in KINDS)
        return node.kind is Kind.MAPPING and not has_kind

    def _check_kind(self) -> None:
        given = [kind for kind in KINDS if kind in self.given]
        if len(given) > 1:
            second = self.given[given[1]]
            self.problem(second, f"the step has {' and '.join(given)}; a step has one of them")
        elif not given:
            blank = next((kind for kind in KINDS if kind in self.blank), None)
            if blank is not None:
                message = f"{blank} has no value; write {blank}: {{}} if all its keys are left out"
                self.problem(self.blank[blank], message)
            elif not any(self._may_be_kind(node) for _, _, node in self._unknown):
                self.problem(self.line, f"the step does nothing; it has one of {', '.join(KINDS)}")


class WaveDraft(Section):
    """A wave of the file.

    Attributes:
        wave_id: Its WaveId as written, even if malformed, because other waves may name it; None
            if there is none.
        servers: Its servers with a valid ID.
        server_total: The number of servers it lists, valid or not.
        dependencies: What it waits for; each DependsOnWaveId as written.
        steps: Its steps, in the order in which they run.
    """

    read_apart = ("Servers", "ServerIds", "Dependencies", *_STEP_LISTS)

    def __init__(self, node: Node, number: int, report: Report, step_total: int) -> None:
        """Read a wave; of a plan with too many steps, without its steps."""
        super().__init__(node, WAVE, report)
        self.wave_id = _id_of(self.given.get("WaveId"))
        self.wave = self.wave_id or f"number {number}"
        self.servers: list[Section] = []
        self.server_total = 0
        self.dependencies: list[Section] = []
        self.steps: list[StepDraft] = []
        self.read()
        self._read_approval()
        self._read_servers()
        for key, phase in _STEP_LISTS.items():
            if (given := self.given.get(key)) and step_total <= MAX_STEPS_PER_PLAN:
                self._read_steps(key, phase, given)
        self._check_step_ids()
        if given := self.given.get("Dependencies"):
            entries = _entries(self, "Dependencies", given)
            self.dependencies = _parts(self, "Dependencies", entries, DEPENDENCY)

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
        if "ServersByTag" in self.given:
            self._check_by_tag()
            return
        if objects is not None and plain is not None:
            self.problem(plain, "the wave has both Servers and ServerIds; keep one of them")
        given = objects or plain
        if given is None or (given.kind is Kind.LIST and not given.items):
            blank = self.blank.get("ServerIds") or self.blank.get("Servers")
            location = given or blank or self.line
            self._check_without_servers(location)
            return
        if self._has("Steps"):
            message = "the wave has servers and Steps; write PreLaunchSteps or PostLaunchSteps"
            self.problem(self.given["Steps"], message)
        key = "ServerIds" if objects is None else "Servers"
        self.server_total = len(given.items)
        entries = _entries(self, key, given)
        self.servers = _parts(self, key, entries, SERVER)

    def _check_by_tag(self) -> None:
        """Report what a wave has beside ServersByTag that says its servers in another way."""
        for key in ("Servers", "ServerIds", "Steps"):
            if self._has(key):
                fix = "write PreLaunchSteps or PostLaunchSteps" if key == "Steps" else "keep one"
                self.problem(self.given[key], f"the wave has ServersByTag and {key}; {fix}")

    def _check_without_servers(self, location: Node | int) -> None:
        if not self._has("Steps"):
            message = (
                "the wave has no servers; list their IDs under ServerIds, or name ServersByTag"
            )
            self.problem(location, f"{message}, or give it Steps alone")
            return
        for key in ("PreLaunchSteps", "PostLaunchSteps"):
            if self._has(key):
                message = f"{key} run around a launch, and the wave has no servers; write Steps"
                self.problem(self.given[key], message)
        for key, default in (("TimeoutSeconds", 3600.0), ("Retries", 0)):
            if self.values.get(key, default) != default:
                message = f"{key} is about a launch, and the wave has no servers; give it to steps"
                self.problem(self.given[key], message)

    def _has(self, key: str) -> bool:
        given = self.given.get(key)
        return given is not None and (given.kind is not Kind.LIST or bool(given.items))

    def _read_steps(self, key: str, phase: StepPhase, given: Node) -> None:
        entries = _entries(self, key, given)
        if given.kind is not Kind.LIST:
            return
        for number, entry in enumerate(entries, start=1):
            if entry.kind is Kind.MAPPING:
                self.steps.append(StepDraft(entry, number, phase, self.wave, self.report))
            else:
                message = f'an entry of {key} is {entry.kind}; write "- {_ENTRY[key]}" and a kind'
                self.problem(entry, message, value=entry.text or None)

    def _check_step_ids(self) -> None:
        named: dict[str, StepDraft] = {}
        for step in self.steps:
            if step.step_id is not None and (first := named.setdefault(step.step_id, step)) != step:
                message = f"the StepId is already used in line {first.line}; give each its own"
                step.problem(step.given["StepId"], message, value=step.step_id)

    @property
    def steps_by_list(self) -> dict[str, list[Step]]:
        """The valid steps, by the keys of their lists."""
        return {
            key: [each.valid for each in self.steps if each.phase is phase and each.valid]
            for key, phase in _STEP_LISTS.items()
        }

    @property
    def valid_steps(self) -> WaveSteps:
        """Its servers and its valid steps, for the rules of the plan's graph."""
        servers = [each.values["SourceServerId"] for each in self.servers]
        steps = [(each.phase, each.valid) for each in self.steps if each.valid is not None]
        return WaveSteps(self.wave_id or "", servers, steps)


class PlanDraft(Section):
    """A plan file.

    Attributes:
        waves: Its waves, in the order of the file.
        channels: The channels that it names.
        step_total: The number of steps that its waves list, valid or not.
        all_waves_read: Whether `waves` holds every wave of the file.
    """

    read_apart = ("Waves", "Notify")

    def __init__(self, root: Node, report: Report) -> None:
        super().__init__(root, PLAN, report)
        self.read()
        self.waves: list[WaveDraft] = []
        self.step_total = 0
        self.channels: list[Section] = []
        if given := self.given.get("Notify"):
            entries = _entries(self, "Notify", given)
            self.channels = _parts(self, "Notify", entries, CHANNEL)
        self.all_waves_read = True
        waves = self.given.get("Waves")
        if waves is None or (waves.kind is Kind.LIST and not waves.items):
            location = self.blank.get("Waves") or waves or self.line
            self.problem(location, "the plan has no waves; list them under Waves")
            return
        entries = _entries(self, "Waves", waves)
        if waves.kind is not Kind.LIST:
            return
        lists = [each.entries.get(key) for each in entries for key in _STEP_LISTS]
        self.step_total = sum(len(each.items) for each in lists if each)
        for number, item in enumerate(entries, start=1):
            if item.kind is Kind.MAPPING:
                self.waves.append(WaveDraft(item, number, report, self.step_total))
            else:
                report.problem(
                    item.line,
                    f"a wave is {item.kind}; write a mapping with WaveId and ServerIds",
                    wave=f"number {number}",
                    value=item.text or None,
                )
        self.all_waves_read = len(self.waves) == len(waves.items)

    def content(self) -> dict[str, Any]:
        """Return the plan as its model reads it."""
        waves = [
            {
                **wave.values,
                **wave.steps_by_list,
                "Servers": [server.values for server in wave.servers],
                "Dependencies": [dependency.values for dependency in wave.dependencies],
            }
            for wave in self.waves
        ]
        channels = [channel.values for channel in self.channels]
        return {**self.values, "Notify": channels, "Waves": waves}


def resolve_account(section: Section, role_name: str, fix: str) -> None:
    """Add the account of the role, or report that another one is given."""
    if "RoleArn" not in section.values:
        return
    role_account = section.values["RoleArn"].split(":")[4]
    if "AccountId" not in section.given:
        section.values["AccountId"] = role_account
        return
    account = section.values.get("AccountId", role_account)
    if account != role_account:
        section.problem(
            section.given["AccountId"],
            f"AccountId {account} contradicts {role_name}, which acts in {role_account}; {fix}",
            value=account,
        )


def _id_of(written: Node | None) -> str | None:
    """An ID as it is written, even if malformed; None if there is none."""
    return (written.text or None) if written is not None and written.is_scalar else None


def _parts(section: Section, key: str, entries: list[Node], level: Level) -> list[Section]:
    """Read the mappings of a list, in which a plain ID stands for the mapping that has it."""
    id_key = next(iter(level.keys))
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
        part = Section(node, level, section.report, wave=section.wave)
        part.read()
        if id_key in part.values:
            parts.append(part)
    return parts


def _entries(section: Section, key: str, given: Node) -> list[Node]:
    """Return a list's items; for another value, report it and return it as the only item."""
    if given.kind is not Kind.LIST:
        # A no-break space after "-" makes a list a text or a mapping.
        named = unusual_characters(given.text or "".join(given.entries))
        what = f"{given.kind} with {named}" if named else given.kind
        message = f'{key} is {what}; write a list of "- {_ENTRY[key]}"'
        section.problem(given, message, value=given.text or None)
        return [given]
    limit = MOST_ENTRIES[key]
    if (length := len(given.items)) > limit:
        if key in _STEP_LISTS:
            message = f"{key} has {length:,} steps; split the wave, at most {limit} a list"
            section.problem(given, message, value=str(length))
            return given.items[:limit]
        whole = "plan" if key in ("Waves", "Notify") else "wave"
        what = "servers" if key == "ServerIds" else key.lower()
        message = f"the {whole} has {length:,} {what}; split it, at most {limit:,} a {whole}"
        section.problem(given, message, value=str(length))
    return given.items[:limit]

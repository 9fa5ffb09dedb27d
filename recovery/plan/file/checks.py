"""Checks across the parts of a plan: names, servers, targets, dependencies."""

import difflib
import re

from recovery.plan.file.draft import DependencyDraft, PlanDraft, ServerDraft, WaveDraft
from recovery.plan.file.problems import Report, printable
from recovery.plan.graph import WaveGraph
from recovery.plan.model import MAX_SERVERS_PER_PLAN

_ENDS_IN_NUMBER = re.compile(r"-([0-9]+)\Z")
# Comparing names is slow, and more hints do not help.
_MAX_HINTS = 20


def check_plan(plan: PlanDraft, report: Report) -> None:
    """Report contradictions, and resolve each wave's target and dependencies.

    Afterwards every wave's values hold its own Region, RoleArn and AccountId, and every
    dependency that can be resolved holds the exact WaveId.
    """
    _check_wave_ids(plan)
    _check_servers(plan)
    _resolve_targets(plan)
    if plan.all_waves_read:
        _resolve_dependencies(plan, report)
        _check_cycles(plan)


def _check_wave_ids(plan: PlanDraft) -> None:
    lines: dict[str, int] = {}
    for wave in plan.waves:
        if wave.wave_id is None:
            continue
        line = wave.section.given["WaveId"].line
        if wave.wave_id in lines:
            message = f"the WaveId is already used in line {lines[wave.wave_id]}"
            wave.section.problem(line, f"{message}; give each wave its own", value=wave.wave_id)
        else:
            lines[wave.wave_id] = line


def _check_servers(plan: PlanDraft) -> None:
    total = sum(wave.server_total for wave in plan.waves)
    if total > MAX_SERVERS_PER_PLAN:
        plan.section.problem(
            plan.section.given["Waves"],
            f"the plan has {total:,} servers; split it, at most {MAX_SERVERS_PER_PLAN:,} a plan",
            value=str(total),
        )
    seen: dict[str, tuple[WaveDraft, ServerDraft]] = {}
    for wave in plan.waves:
        for server in wave.servers:
            if server.id not in seen:
                seen[server.id] = (wave, server)
                continue
            first_wave, first = seen[server.id]
            if first_wave is wave:
                message = f"{server.id} is listed twice, first in line {first.line}"
                message = f"{message}; remove one of them"
            else:
                other = printable(str(first_wave.section.wave))
                message = f"{server.id} is already in wave {other}, line {first.line}"
                message = f"{message}; a server belongs to one wave"
            wave.section.problem(server.line, message, value=server.id)


def _account_of(role_arn: str) -> str:
    return role_arn.split(":")[4]


def _resolve_targets(plan: PlanDraft) -> None:
    values, section = plan.values, plan.section
    role = values.get("RoleArn")
    if role is not None and "AccountId" not in section.given:
        values["AccountId"] = _account_of(role)
    elif role is not None and "AccountId" in values and values["AccountId"] != _account_of(role):
        section.problem(
            section.given["AccountId"],
            f"AccountId {values['AccountId']} contradicts RoleArn, which acts in "
            f"{_account_of(role)}; correct one of them",
            value=values["AccountId"],
        )
    without_region = [wave for wave in plan.waves if "Region" not in wave.section.given]
    if "Region" not in section.given and without_region:
        if len(without_region) == len(plan.waves):
            location = section.blank.get("Region", section.line)
            section.problem(location, "Region is missing; give one to the plan, or to each wave")
        else:
            for wave in without_region:
                message = "the wave has no Region; give one to the wave, or to the plan"
                wave.section.problem(wave.section.blank.get("Region", wave.section.line), message)
    for wave in plan.waves:
        _resolve_target(wave, plan)


def _resolve_target(wave: WaveDraft, plan: PlanDraft) -> None:
    values, section = wave.values, wave.section
    for key in ("Region", "RoleArn", "AccountId"):
        # Blank could mean the plan's value or none: a guess could launch in a wrong account.
        if key in section.blank and key in plan.section.given:
            message = f"{key} is blank, but the plan has one; leave the key out to use the plan's"
            section.problem(section.blank[key], message)
    if "Region" in plan.values:
        values.setdefault("Region", plan.values["Region"])
    own_role = "RoleArn" in section.given
    if not own_role and "RoleArn" in plan.values:
        values["RoleArn"] = plan.values["RoleArn"]
    role, account = values.get("RoleArn"), values.get("AccountId")
    if "AccountId" in section.given:
        if role is not None and account is not None and account != _account_of(role):
            role_key = "RoleArn" if own_role else "the plan's RoleArn"
            fix = "correct one of them" if own_role else "give the wave a RoleArn of its own"
            section.problem(
                section.given["AccountId"],
                f"AccountId {account} contradicts {role_key}, which acts in {_account_of(role)}; "
                f"{fix}",
                value=account,
            )
    elif own_role:
        if role is not None:
            values["AccountId"] = _account_of(role)
    elif "AccountId" in plan.values:
        values["AccountId"] = plan.values["AccountId"]


def _resolve_dependencies(plan: PlanDraft, report: Report) -> None:
    """Turn every dependency into an exact WaveId.

    Only in a plan none of whose WaveIds ends in a number may a number at the end of a
    dependency name a wave by its position: in others it may be a typo in a WaveId.
    """
    wave_ids = {wave.wave_id: None for wave in plan.waves if wave.wave_id is not None}
    by_number = not any(_ENDS_IN_NUMBER.search(wave_id) for wave_id in wave_ids)
    hints = _MAX_HINTS
    for wave in plan.waves:
        resolved = []
        for dependency in wave.dependencies:
            written = dependency.wave_id
            if written not in wave_ids:
                number = _number_of(written) if by_number else None
                if number is None or not 1 <= number <= len(plan.waves):
                    hint = _hint(written, list(wave_ids)) if hints else "write an exact WaveId"
                    hints = max(0, hints - 1)
                    _report_unknown(wave, dependency, number, len(plan.waves), hint)
                    continue
                named = plan.waves[number - 1].wave_id
                if named is None:
                    continue
                dependency.wave_id = named
                _warn_of_number(wave, dependency, written, number, report)
            if dependency.wave_id == wave.wave_id:
                message = "the wave depends on itself; remove this dependency"
                wave.section.problem(dependency.line, message, value=written)
                continue
            resolved.append(dependency)
        wave.dependencies = resolved


def _number_of(written: str) -> int | None:
    # Python refuses to convert thousands of digits.
    found = _ENDS_IN_NUMBER.search(written) if len(written) <= 64 else None
    return int(found.group(1)) if found else None


def _report_unknown(
    wave: WaveDraft, dependency: DependencyDraft, number: int | None, count: int, hint: str
) -> None:
    shown = printable(dependency.wave_id)
    message = f'DependsOnWaveId "{shown}" is no WaveId of this plan'
    if number is not None:
        message = f"{message}, nor is there a wave number {number} among its {count}"
    wave.section.problem(dependency.line, f"{message}; {hint}", value=dependency.wave_id)


def _hint(written: str, wave_ids: list[str]) -> str:
    nearest = difflib.get_close_matches(written[:64], wave_ids, n=1, cutoff=0.4)
    return f"did you mean {printable(nearest[0])}?" if nearest else "write an exact WaveId"


def _warn_of_number(
    wave: WaveDraft, dependency: DependencyDraft, written: str, number: int, report: Report
) -> None:
    exact = printable(dependency.wave_id)
    report.warning(
        dependency.line,
        f'DependsOnWaveId "{written}" is no WaveId, so it is read as wave number {number}, '
        f'{exact}; write "DependsOnWaveId: {exact}"',
        wave=wave.section.wave,
        value=written,
    )


def _check_cycles(plan: PlanDraft) -> None:
    waves: dict[str, WaveDraft] = {}
    for wave in plan.waves:
        if wave.wave_id is not None:
            waves.setdefault(wave.wave_id, wave)
    graph = WaveGraph(
        {
            wave_id: [dependency.wave_id for dependency in wave.dependencies]
            for wave_id, wave in waves.items()
        }
    )
    for cycle in graph.cycles():
        first = waves[cycle[0]]
        line = next(each.line for each in first.dependencies if each.wave_id == cycle[1])
        path = " → ".join(printable(wave_id) for wave_id in (*cycle, cycle[0]))
        first.section.problem(
            line,
            f"waves wait for each other: {path}; remove one of these dependencies",
            value=path,
        )

"""Checks across the parts of a plan: names, servers, targets, dependencies."""

import difflib
import re

from recovery.plan.file.draft import PlanDraft, WaveDraft, resolve_account
from recovery.plan.file.launch_settings import check_launch_settings
from recovery.plan.file.problems import printable
from recovery.plan.file.regions import KnownRegions
from recovery.plan.file.schedule import check_schedule
from recovery.plan.file.section import Section
from recovery.plan.graph import WaveGraph
from recovery.plan.limits import attempts_problem, steps_problem
from recovery.plan.model import MAX_SERVERS_PER_PLAN
from recovery.steps.rules import GraphRules, is_fenced

_ENDS_IN_NUMBER = re.compile(r"-([0-9]+)\Z")
# Comparing names is slow, and more hints do not help.
_MAX_HINTS = 20


def check_plan(plan: PlanDraft, regions: KnownRegions) -> None:
    """Report contradictions, and resolve each wave's target and dependencies.

    Afterwards every wave's values hold its own Region, RoleArn and AccountId, and its
    dependencies, each once, the exact WaveId.
    """
    _check_wave_ids(plan)
    _check_servers(plan)
    check_launch_settings(plan)
    check_schedule(plan)
    _check_attempts(plan)
    _check_step_total(plan)
    _resolve_targets(plan)
    _check_partitions(plan, regions)
    _check_regions(plan, regions)
    if plan.all_waves_read:
        before = plan.report.reported
        _resolve_dependencies(plan)
        graph = _check_cycles(plan)
        _check_steps(plan, graph if plan.report.reported == before else None)
        _check_fence(plan)


def _check_wave_ids(plan: PlanDraft) -> None:
    named: dict[str, WaveDraft] = {}
    for wave in plan.waves:
        if wave.wave_id is None:
            continue
        first = named.setdefault(wave.wave_id, wave)
        if first is not wave:
            line = first.given["WaveId"].line
            message = f"the WaveId is already used in line {line}; give each wave its own"
            wave.problem(wave.given["WaveId"], message, value=wave.wave_id)


def _check_servers(plan: PlanDraft) -> None:
    total = sum(wave.server_total for wave in plan.waves)
    if total > MAX_SERVERS_PER_PLAN:
        plan.problem(
            plan.given["Waves"],
            f"the plan has {total:,} servers; split it, at most {MAX_SERVERS_PER_PLAN:,} a plan",
            value=str(total),
        )
    seen: dict[str, tuple[WaveDraft, Section]] = {}
    for wave in plan.waves:
        for server in wave.servers:
            server_id = server.values["SourceServerId"]
            first_wave, first = seen.setdefault(server_id, (wave, server))
            if first is server:
                continue
            if first_wave is wave:
                message = f"listed twice, first in line {first.line}; remove one of them"
            else:
                other = f"wave {printable(str(first_wave.wave))}, line {first.line}"
                message = f"already in {other}; a server belongs to one wave"
            wave.problem(server.line, f"{server_id} is {message}", value=server_id)


def _check_attempts(plan: PlanDraft) -> None:
    """Report Retries that Temporal's history of one execution could not hold."""
    attempts = [(1 + wave.values.get("Retries", 0), wave.server_total) for wave in plan.waves]
    steps = [step for wave in plan.waves for _, step in wave.valid_steps.steps]
    of_steps = sum(1 + step.retries for step in steps)
    if (problem := attempts_problem(attempts, of_steps)) is None:
        return
    if all(count == 1 for count, _ in attempts):
        if any(step.retries for step in steps):
            advice = "lower Retries of its steps, or split the plan"
            plan.problem(plan.given["Waves"], f"{problem}; {advice}", value=str(plan.step_total))
    else:
        wave = max(plan.waves, key=lambda wave: wave.values.get("Retries", 0))
        wave.problem(
            wave.given["Retries"],
            f"with the plan's Retries, {problem}; lower Retries, or split the plan",
            value=str(wave.values["Retries"]),
        )


def _check_step_total(plan: PlanDraft) -> None:
    """Report more steps and Retries than Temporal's history of one execution could hold."""
    if problem := steps_problem(plan.step_total, [wave.valid_steps.steps for wave in plan.waves]):
        plan.problem(plan.given["Waves"], f"{problem}; split the plan", value=str(plan.step_total))


def _check_steps(plan: PlanDraft, graph: WaveGraph | None) -> None:
    """Report what steps name that is not known where they run."""
    waves = {wave.wave_id: wave for wave in reversed(plan.waves) if wave.wave_id is not None}
    steps = {wave_id: wave.valid_steps for wave_id, wave in waves.items()}
    rules = GraphRules(list(steps.values()), graph.is_before if graph else None)
    for wave_id, wave in waves.items():
        for number, step in enumerate(each for each in wave.steps if each.valid is not None):
            for found in rules.problems(steps[wave_id], number):
                step.report_at(found)


def _check_fence(plan: PlanDraft) -> None:
    if not plan.values.get("Recovery", {}).get("FenceFirst"):
        return
    for wave in plan.waves:
        # A step that is not valid is reported already.
        all_valid = all(step.valid for step in wave.steps)
        if not wave.dependencies and all_valid and not is_fenced(wave.valid_steps.steps):
            wave.problem(
                wave.line,
                "the plan has FenceFirst, so a wave without Dependencies must begin with a Manual "
                "or acting step that runs in a RECOVERY and is not OPTIONAL; add one that stops "
                "the source servers from writing",
            )


def _resolve_targets(plan: PlanDraft) -> None:
    resolve_account(plan, "RoleArn", "correct one of them")
    without_region = [wave for wave in plan.waves if "Region" not in wave.given]
    if "Region" not in plan.given and without_region:
        if len(without_region) == len(plan.waves):
            location = plan.blank.get("Region", plan.line)
            plan.problem(location, "Region is missing; give one to the plan, or to each wave")
        else:
            for wave in without_region:
                message = "the wave has no Region; give one to the wave, or to the plan"
                wave.problem(wave.blank.get("Region", wave.line), message)
    for wave in plan.waves:
        _resolve_target(wave, plan)


def _resolve_target(wave: WaveDraft, plan: PlanDraft) -> None:
    target = ("Region", "RoleArn", "AccountId")
    for key in target:
        # Blank could mean the plan's value or none: a guess could launch in a wrong account.
        if key in wave.blank and key in plan.given:
            message = f"{key} is blank, but the plan has one; leave the key out to use the plan's"
            wave.problem(wave.blank[key], message)
    own_role = "RoleArn" in wave.given
    inherited = {key: plan.values[key] for key in target if key in plan.values}
    if own_role:
        # The plan's account is that of another role.
        inherited.pop("RoleArn", None)
        inherited.pop("AccountId", None)
    wave.values = inherited | wave.values
    if own_role:
        resolve_account(wave, "RoleArn", "correct one of them")
    else:
        resolve_account(wave, "the plan's RoleArn", "give the wave a RoleArn of its own")


def _check_partitions(plan: PlanDraft, regions: KnownRegions) -> None:
    """Report roles of another partition than their Region's: neither has access to the other."""
    _check_partition(plan, regions, "RoleArn", "correct one of them")
    for wave in plan.waves:
        if "RoleArn" in wave.given:
            _check_partition(wave, regions, "RoleArn", "correct one of them")
        elif "Region" in wave.given:
            fix = "give the wave a RoleArn of its own"
            _check_partition(wave, regions, "the plan's RoleArn", fix)
        for step in wave.steps:
            if "RoleArn" in step.given:
                _check_partition(step, regions, "RoleArn", "correct one of them", within=wave)
            elif "Region" in step.given:
                fix = "give the step a RoleArn of its own"
                _check_partition(step, regions, "the wave's RoleArn", fix, within=wave)


def _check_partition(
    section: Section,
    regions: KnownRegions,
    role_name: str,
    fix: str,
    *,
    within: Section | None = None,
) -> None:
    values = (within.values if within else {}) | section.values
    role, region = values.get("RoleArn"), values.get("Region")
    expected = regions.partition_of(region) if role and region else None
    if role is None or expected is None:
        return
    partition = role.split(":")[1]
    if partition != expected:
        section.problem(
            section.given.get("RoleArn", section.line),
            f"{role_name} is in partition {partition}, but Region {region} in {expected}; {fix}",
            value=role,
        )


def _check_regions(plan: PlanDraft, regions: KnownRegions) -> None:
    """Report once each Region that AWS's SDK does not know, and warn of each without DRS."""
    unknown: dict[str, Section] = {}
    sections = [each for wave in plan.waves for each in (wave, *wave.steps)]
    for section in (plan, *sections):
        region = section.values.get("Region")
        if region and "Region" in section.given and region not in regions.with_drs:
            unknown.setdefault(region, section)
    for region, section in unknown.items():
        nearest = difflib.get_close_matches(region, regions.with_drs, n=1, cutoff=0)
        line = section.given["Region"].line
        if region in regions.names:
            message = f"the AWS SDK knows no DRS in Region {region}; did you mean {nearest[0]}?"
            section.report.warning(line, message, wave=section.wave, value=region)
        else:
            section.problem(
                line,
                f"the AWS SDK knows no Region {region}; did you mean {nearest[0]}? "
                "If it is new, update botocore",
                value=region,
            )


def _resolve_dependencies(plan: PlanDraft) -> None:
    """Turn every dependency into an exact WaveId.

    Only in a plan none of whose WaveIds ends in a number may a number at the end of a
    dependency name a wave by its position: in others it may be a typo in a WaveId.
    """
    wave_ids = {wave.wave_id: None for wave in plan.waves if wave.wave_id is not None}
    by_number = not any(_ENDS_IN_NUMBER.search(wave_id) for wave_id in wave_ids)
    hints = _MAX_HINTS
    for wave in plan.waves:
        resolved: dict[str, Section] = {}
        for dependency in wave.dependencies:
            written = exact = dependency.values["DependsOnWaveId"]
            node = dependency.given["DependsOnWaveId"]
            if written not in wave_ids:
                number = _number_of(written) if by_number else None
                if number is None or not 1 <= number <= len(plan.waves):
                    message = f'DependsOnWaveId "{printable(written)}" is no WaveId of this plan'
                    if number is not None:
                        among = f"a wave number {number} among its {len(plan.waves)}"
                        message += f", nor is there {among}"
                    hint = _hint(written, list(wave_ids)) if hints else "write an exact WaveId"
                    hints = max(0, hints - 1)
                    wave.problem(node, f"{message}; {hint}", value=written)
                    continue
                named = plan.waves[number - 1].wave_id
                if named is None:
                    continue
                exact = dependency.values["DependsOnWaveId"] = named
                message = f"is read as wave number {number}, {printable(exact)}"
                wave.report.warning(
                    node.line,
                    f'DependsOnWaveId "{written}" is no WaveId, so it {message}; '
                    f'write "DependsOnWaveId: {printable(exact)}"',
                    wave=wave.wave,
                    value=written,
                )
            if exact == wave.wave_id:
                message = "the wave depends on itself; remove this dependency"
                wave.problem(node, message, value=written)
            else:
                resolved.setdefault(exact, dependency)
        wave.dependencies = list(resolved.values())


def _number_of(written: str) -> int | None:
    # Python refuses to convert thousands of digits.
    found = _ENDS_IN_NUMBER.search(written) if len(written) <= 64 else None
    return int(found.group(1)) if found else None


def _hint(written: str, wave_ids: list[str]) -> str:
    nearest = difflib.get_close_matches(written[:64], wave_ids, n=1, cutoff=0.4)
    return f"did you mean {printable(nearest[0])}?" if nearest else "write an exact WaveId"


def _check_cycles(plan: PlanDraft) -> WaveGraph:
    waves: dict[str, WaveDraft] = {}
    for wave in plan.waves:
        if wave.wave_id is not None:
            waves.setdefault(wave.wave_id, wave)
    graph = WaveGraph(
        {
            wave_id: [each.values["DependsOnWaveId"] for each in wave.dependencies]
            for wave_id, wave in waves.items()
        }
    )
    for cycle in graph.cycles():
        first = waves[cycle[0]]
        needed = {each.values["DependsOnWaveId"]: each for each in first.dependencies}
        path = " → ".join(printable(wave_id) for wave_id in (*cycle, cycle[0]))
        first.problem(
            needed[cycle[1]].given["DependsOnWaveId"],
            f"waves wait for each other: {path}; remove one of these dependencies",
            value=path,
        )
    return graph

"""Which servers a plan with ServersByTag launches, and why it may not start. Pure.

A drill has the servers that DRS has now. A recovery never asks: where these cannot be read, or are
fewer by more than a tenth, it has those that were last recorded.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from recovery.execution.server import server_label
from recovery.plan.limits import attempts_problem
from recovery.plan.members import (
    FoundServers,
    Membership,
    MembershipKind,
    RecordedServers,
    TaggedMembership,
    TaggedServers,
    ids_of,
    tags_text,
)
from recovery.plan.model import MAX_SERVERS_PER_PLAN, MAX_SERVERS_PER_WAVE, RecoveryPlan, Wave
from recovery.text_format import count, listed, utc_timestamp

_NAMES_SHOWN = 10
_SHRINK = 0.1
"""More than this part of a wave's recorded servers gone needs a confirmation."""


def asked_of(wave: Wave) -> TaggedServers:
    """What is looked for: the servers of a wave that names tags."""
    return TaggedServers(
        wave_id=wave.wave_id,
        tags=wave.servers_by_tag or {},
        region=wave.region,
        role_arn=wave.role_arn,
        account_id=wave.account_id,
    )


def unresolved(plan: RecoveryPlan) -> list[Wave]:
    """The waves that name tags and have no servers yet."""
    return [wave for wave in plan.waves if wave.servers_by_tag and not wave.servers]


def unresolved_problem(plan: RecoveryPlan) -> str | None:
    """Why a plan must not start whose tags nobody looked up; None if there is no such wave."""
    if not (waves := unresolved(plan)):
        return None
    named = listed([f"{each.wave_name} ({tags_text(each.servers_by_tag or {})})" for each in waves])
    return f"the servers of {named} are named by tags, which were not looked up"


@dataclass(frozen=True)
class Resolution:
    """What a look at the tags of a plan says of its start.

    Attributes:
        plan: with the servers of all waves; None if there is a problem.
        problem: why it cannot start.
        shrunk: waves that lost more than a tenth of their servers, which a drill must confirm.
    """

    plan: RecoveryPlan | None
    problem: str | None = None
    shrunk: tuple[str, ...] = ()


def resolve(plan: RecoveryPlan, known: TaggedMembership, *, is_drill: bool) -> Resolution:
    """Choose the servers of the waves that name tags and have none yet."""
    found, recorded = known.found, known.recorded
    problem = found_problem(plan, found)
    shrunk = shrunk_waves(plan, found, recorded)
    if is_drill or not (problem or shrunk):
        return Resolution(None if problem else _with(plan, known, found.waves), problem, shrunk)
    instead = _recorded_first(plan, found, recorded)
    if instead is None or _problem(plan, instead):
        if problem is None:
            return Resolution(_with(plan, known, found.waves))
        nothing = known.recorded_error or "no servers are recorded for its tags"
        return Resolution(None, f"{problem}; nor is there a record to launch by: {nothing}")
    return Resolution(_with(plan, known, instead, reason=problem or "; ".join(shrunk)))


def found_problem(plan: RecoveryPlan, found: FoundServers) -> str | None:
    """Why a plan cannot have the servers that were found; None if it can."""
    if found.errors:
        return f"the servers with its tags could not be read: {'; '.join(found.errors)}"
    return _problem(plan, found.waves)


def shrunk_waves(
    plan: RecoveryPlan, found: FoundServers, recorded: RecordedServers | None
) -> tuple[str, ...]:
    """The waves with more than a tenth fewer servers than were recorded, a text each."""
    lines = []
    for now in found.waves:
        before = recorded.of(now) if recorded else None
        if before and len(now.servers) < (1 - _SHRINK) * len(before.servers):
            name = plan.wave(now.wave_id).wave_name
            gone = [server_label(i, before.servers[i]) for i in before.servers.keys() - now.servers]
            lines.append(
                f"{name} has {count(len(now.servers), 'server')} with {tags_text(now.tags)}, and "
                f"had {len(before.servers)}; gone are {listed(sorted(gone), shown=_NAMES_SHOWN)}"
            )
    return tuple(lines)


def to_record(
    plan: RecoveryPlan, known: TaggedMembership, *, accepted: str | None
) -> RecordedServers | None:
    """What a look records; None to leave the record as it is.

    A smaller membership is recorded only once it was confirmed, so that a recovery does not launch
    fewer servers because of what happened to tags unseen.

    Args:
        plan: the plan.
        known: what was found, and recorded before.
        accepted: the hash of the plan with the servers that were confirmed; None if none were.
    """
    found = known.found
    if found_problem(plan, found) or not found.waves:
        return None
    if shrunk_waves(plan, found, known.recorded):
        resolved = _with(plan, known, found.waves)
        if resolved.plan_hash != accepted:
            return None
    return RecordedServers(time=found.time, waves=found.waves)


def with_recorded(plan: RecoveryPlan, recorded: RecordedServers | None) -> RecoveryPlan:
    """The plan with the servers that were last recorded, to show it; others stay unknown."""
    waves = [recorded.of(asked_of(wave)) for wave in unresolved(plan)] if recorded else []
    known = [each for each in waves if each is not None]
    if recorded is None or not known:
        return plan
    membership = Membership(kind=MembershipKind.RECORDED, time=recorded.time)
    return plan.with_members(membership, ids_of(known))


def membership_facts(plan: RecoveryPlan) -> dict[str, str]:
    """Where the servers of a plan come from, each by its name; empty for a plan without tags."""
    tagged = [wave for wave in plan.waves if wave.servers_by_tag]
    if not tagged:
        return {}
    waves = [
        f"{each.wave_name} ({tags_text(each.servers_by_tag or {})}): "
        f"{count(len(each.servers), 'server') if each.servers else 'not looked up'}"
        for each in tagged
    ]
    chosen = {} if plan.membership is None else _chosen_facts(plan.membership)
    return {"By tags": listed(waves, shown=_NAMES_SHOWN)} | chosen


def membership_lines(membership: Membership | None) -> list[str]:
    """Where the servers of an execution come from, a line each; none for a plan without tags."""
    if membership is None:
        return []
    members, *changes = _chosen_facts(membership).values()
    return [f"servers by tags {members}", *(f"servers by tags: {each}" for each in changes)]


def _chosen_facts(membership: Membership) -> dict[str, str]:
    is_recorded = membership.kind is MembershipKind.RECORDED
    when = utc_timestamp(membership.time)
    members = f"as recorded at {when}" if is_recorded else f"as DRS had them at {when}"
    facts = {"Members": members}
    if membership.reason:
        facts["Members"] += f", because {membership.reason}"
    if membership.added:
        added = listed(membership.added, shown=_NAMES_SHOWN)
        facts["Added"] = f"+ {added}" + ("; not launched" if is_recorded else "")
    if membership.gone:
        gone = listed(membership.gone, shown=_NAMES_SHOWN)
        facts["Gone"] = f"- {gone}" + ("; launched all the same" if is_recorded else "")
    return facts


def _problem(plan: RecoveryPlan, waves: Iterable[TaggedServers]) -> str | None:
    """Why a plan cannot have these servers; None if it can."""
    found = {each.wave_id: each for each in waves}
    for wave in unresolved(plan):
        tags = tags_text(wave.servers_by_tag or {})
        if (these := found.get(wave.wave_id)) is None or not these.servers:
            return f"{wave.wave_name}: DRS has no source server with {tags} in {wave.region}"
        if len(these.servers) > MAX_SERVERS_PER_WAVE:
            number = count(len(these.servers), "server")
            return f"{wave.wave_name}: {number} have {tags}; at most {MAX_SERVERS_PER_WAVE} a wave"
    wave_of: dict[str, list[str]] = defaultdict(list)
    for wave in plan.waves:
        ids = found[wave.wave_id].servers if wave.wave_id in found else wave.server_ids
        for server_id in ids:
            wave_of[server_id].append(wave.wave_name)
    if twice := {i: names for i, names in wave_of.items() if len(names) > 1}:
        texts = [f"{i} is in {' and '.join(names)}" for i, names in sorted(twice.items())]
        return f"a server belongs to one wave, but {listed(texts, shown=_NAMES_SHOWN)}"
    if len(wave_of) > MAX_SERVERS_PER_PLAN:
        return f"the plan would have {len(wave_of):,} servers; at most {MAX_SERVERS_PER_PLAN:,}"
    sizes = {w.wave_id: len(found[w.wave_id].servers) for w in plan.waves if w.wave_id in found}
    attempts = [(1 + w.retries, sizes.get(w.wave_id, len(w.servers))) for w in plan.waves]
    return attempts_problem(attempts, plan.step_attempts)


def _recorded_first(
    plan: RecoveryPlan, found: FoundServers, recorded: RecordedServers | None
) -> list[TaggedServers] | None:
    """The recorded servers of each wave; of one without a record, those found."""
    now = {each.wave_id: each for each in found.waves}
    waves, is_recorded = [], False
    for wave in unresolved(plan):
        before = recorded.of(asked_of(wave)) if recorded else None
        is_recorded |= before is not None
        if (chosen := before or now.get(wave.wave_id)) is None:
            return None
        waves.append(chosen)
    return waves if is_recorded else None


def _with(
    plan: RecoveryPlan,
    known: TaggedMembership,
    waves: Iterable[TaggedServers],
    *,
    reason: str | None = None,
) -> RecoveryPlan:
    chosen = list(waves)
    recorded = known.recorded
    now = {i for each in known.found.waves for i in each.servers}
    asked = [asked_of(wave) for wave in unresolved(plan)]
    kept = [recorded.of(each) for each in asked] if recorded else []
    before = {i for each in kept if each for i in each.servers}
    is_known = any(each is not None for each in kept)
    membership = Membership(
        kind=MembershipKind.RECORDED if reason else MembershipKind.FOUND,
        time=recorded.time if reason and recorded else known.found.time,
        reason=reason,
        added=sorted(now - before) if is_known else [],
        # What could not be read is not gone.
        gone=[] if known.found.errors else sorted(before - now),
    )
    return plan.with_members(membership, ids_of(chosen))

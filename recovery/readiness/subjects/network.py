"""Network: whether what a launch template names exists, and has room for what the plan launches."""

from collections.abc import Iterator, Mapping

from recovery.base_model import Model
from recovery.launch_settings.existing import Existing, Named, NamedKind
from recovery.launch_settings.in_force import SettingsInForce
from recovery.launch_settings.resolve import drill_settings_of
from recovery.readiness.affected import affected
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.subjects.launch_template import ISOLATION_IMPOSSIBLE
from recovery.text_format import count

SUBNET_MISSING = FindingKind(
    code=FindingCode.SUBNET_MISSING,
    severity=Severity.BLOCKS,
    title="The subnet of the launch template does not exist",
    meaning="EC2 refuses to launch the recovery instance, and DRS's job fails for the server.",
    action="Name an existing subnet: `drs-waves launch-settings apply`, or in the DRS console.",
)
SUBNET_NOT_NAMED = FindingKind(
    code=FindingCode.SUBNET_NOT_NAMED,
    severity=Severity.WARNS,
    title="The launch template names no subnet",
    meaning="EC2 launches into the default VPC, if there is one; what is there is not checked.",
    action="Name a subnet in LaunchSettings, and apply them.",
)
ADDRESSES_SHORT = FindingKind(
    code=FindingCode.ADDRESSES_SHORT,
    severity=Severity.BLOCKS,
    title="The subnet has fewer free addresses than the plan launches servers into it",
    meaning="EC2 refuses to launch the last of them, and DRS's jobs fail for these servers.",
    action="Free addresses, or spread the servers over more subnets.",
)
SECURITY_GROUP_MISSING = FindingKind(
    code=FindingCode.SECURITY_GROUP_MISSING,
    severity=Severity.BLOCKS,
    title="A security group of the launch template does not exist",
    meaning="EC2 refuses to launch the recovery instance, and DRS's job fails for the server.",
    action="Name an existing group: `drs-waves launch-settings apply`, or in the DRS console.",
)
SECURITY_GROUP_OF_OTHER_VPC = FindingKind(
    code=FindingCode.SECURITY_GROUP_OF_OTHER_VPC,
    severity=Severity.BLOCKS,
    title="A security group is not of the subnet's VPC",
    meaning="EC2 refuses to launch the recovery instance, and DRS's job fails for the server.",
    action="Name a group and a subnet of the same VPC.",
)
INSTANCE_PROFILE_MISSING = FindingKind(
    code=FindingCode.INSTANCE_PROFILE_MISSING,
    severity=Severity.BLOCKS,
    title="The instance profile of the launch template does not exist",
    meaning="EC2 refuses to launch the recovery instance, and DRS's job fails for the server.",
    action="Create the profile in this account, or name another one in the launch template.",
)
KEY_UNUSABLE = FindingKind(
    code=FindingCode.KEY_UNUSABLE,
    severity=Severity.BLOCKS,
    title="The key that encrypts the server's disks cannot be used",
    meaning="Without it neither the replicated data can be read nor the recovery instance start.",
    action="Enable the key or cancel its deletion in KMS, in the account and Region of the key.",
)
KINDS = (
    SUBNET_MISSING,
    SUBNET_NOT_NAMED,
    ADDRESSES_SHORT,
    SECURITY_GROUP_MISSING,
    SECURITY_GROUP_OF_OTHER_VPC,
    INSTANCE_PROFILE_MISSING,
    KEY_UNUSABLE,
)


class SubnetSeen(Model):
    """A subnet that EC2 has."""

    vpc_id: str | None = None
    availability_zone: str | None = None
    available_addresses: int | None = None


class NetworkEvidence(Model):
    """What the launches of a plan's servers in one target would use.

    What could not be read has the reason in its place.

    Attributes:
        settings: in force, by server; those that could be read.
        keys_of: the keys that encrypt the disks of a server, besides EBS's own.
        subnets: of the account and Region, by ID.
        security_groups: the VPC of each, by ID.
        instance_profiles: whether each exists, by name or ARN.
        keys: the state of each in KMS, by ARN; empty: KMS does not know it.
        read_time: when the settings and keys of a server were read (epoch seconds).
    """

    settings: dict[str, SettingsInForce] = {}
    keys_of: dict[str, list[str]] = {}
    subnets: dict[str, SubnetSeen] | FailedRead = {}
    security_groups: dict[str, str] | FailedRead = {}
    instance_profiles: dict[str, bool | FailedRead] = {}
    keys: dict[str, str | FailedRead] = {}
    read_time: dict[str, float] = {}


def network_findings(planned: PlannedTarget, evidence: NetworkEvidence) -> Iterator[Finding]:
    """Judge what the launches of a plan's servers in one target would use."""
    in_force = {i: each for i, each in evidence.settings.items() if each.template_version}
    yield from _subnets(planned, in_force, evidence.subnets)
    yield from _security_groups(planned, in_force, evidence)
    yield from _instance_profiles(planned, in_force, evidence.instance_profiles)
    yield from _keys(planned, evidence)
    yield from _drill_networks(planned, evidence)


def _subnets(
    planned: PlannedTarget,
    in_force: Mapping[str, SettingsInForce],
    subnets: dict[str, SubnetSeen] | FailedRead,
) -> Iterator[Finding]:
    used = _grouped({i: [each.subnet_id or ""] for i, each in in_force.items()})
    if unnamed := used.pop("", None):
        yield from affected(
            planned, SUBNET_NOT_NAMED, unnamed, "its launch template names no subnet"
        )
    if isinstance(subnets, FailedRead):
        if used:
            yield subnets.finding("the subnets of the launch templates", planned)
        return
    for subnet_id, servers in used.items():
        seen = subnets.get(subnet_id)
        if seen is None:
            message = f"{subnet_id}, the subnet of its launch template, does not exist"
            yield from affected(
                planned, SUBNET_MISSING, servers, message, evidence={"Subnet": subnet_id}
            )
        elif shortage := _shortage(subnet_id, seen, len(servers), "the plan"):
            yield planned.finding(
                ADDRESSES_SHORT,
                shortage,
                wave_id=_only_wave(planned, servers),
                evidence={
                    "Subnet": subnet_id,
                    "Free": str(seen.available_addresses),
                    "Needed": str(len(servers)),
                },
            )


def _shortage(subnet_id: str, seen: SubnetSeen, needed: int, who: str) -> str | None:
    free = seen.available_addresses
    if free is None or needed <= free:
        return None
    return (
        f"{subnet_id} has free addresses for {count(free, 'server')}; "
        f"{who} launches {count(needed, 'server')} into it"
    )


def _security_groups(
    planned: PlannedTarget, in_force: Mapping[str, SettingsInForce], evidence: NetworkEvidence
) -> Iterator[Finding]:
    known, subnets = evidence.security_groups, evidence.subnets
    used = _grouped({i: each.security_group_ids for i, each in in_force.items()})
    if isinstance(known, FailedRead):
        if used:
            yield known.finding("the security groups of the launch templates", planned)
        return
    for group_id, servers in used.items():
        if group_id not in known:
            message = f"{group_id}, a security group of its launch template, does not exist"
            seen = {"SecurityGroup": group_id}
            yield from affected(planned, SECURITY_GROUP_MISSING, servers, message, evidence=seen)
            continue
        if isinstance(subnets, FailedRead):
            continue
        by_vpc: dict[str, list[str]] = {}
        for server_id in servers:
            subnet = subnets.get(in_force[server_id].subnet_id or "")
            if subnet is not None and subnet.vpc_id not in (None, known[group_id]):
                by_vpc.setdefault(str(subnet.vpc_id), []).append(server_id)
        for vpc_id, some in by_vpc.items():
            message = f"{group_id} is of {known[group_id]}, and its subnet is of {vpc_id}"
            seen = {"SecurityGroup": group_id, "GroupVpc": known[group_id], "SubnetVpc": vpc_id}
            yield from affected(planned, SECURITY_GROUP_OF_OTHER_VPC, some, message, evidence=seen)


def _instance_profiles(
    planned: PlannedTarget,
    in_force: Mapping[str, SettingsInForce],
    known: dict[str, bool | FailedRead],
) -> Iterator[Finding]:
    used = _grouped({i: [e.instance_profile] for i, e in in_force.items() if e.instance_profile})
    yield from _first_failure(planned, "instance profiles", known)
    for name, servers in used.items():
        if known.get(name) is False:
            message = f"the instance profile {name} of its launch template does not exist"
            seen = {"InstanceProfile": name}
            yield from affected(planned, INSTANCE_PROFILE_MISSING, servers, message, evidence=seen)


def _keys(planned: PlannedTarget, evidence: NetworkEvidence) -> Iterator[Finding]:
    yield from _first_failure(planned, "the keys of encrypted disks", evidence.keys)
    for arn, servers in _grouped(evidence.keys_of).items():
        state = evidence.keys.get(arn)
        if not isinstance(state, str) or state == "Enabled":
            continue
        what = f"is {state}" if state else "does not exist in KMS"
        read = [evidence.read_time[i] for i in servers if i in evidence.read_time]
        yield from affected(
            planned, KEY_UNUSABLE, servers, f"the key {arn} of its disks {what}",
            evidence={"Key": arn, "State": state or "not found"},
            read_time=min(read, default=None),
        )  # fmt: skip


def _drill_networks(planned: PlannedTarget, evidence: NetworkEvidence) -> Iterator[Finding]:
    """What drills name instead, for as long as they launch."""
    drills = {
        server_id: settings
        for server_id, server in planned.servers.items()
        if (settings := drill_settings_of(planned.plan, planned.wave_of[server_id], server))
    }
    subnets, groups = evidence.subnets, evidence.security_groups
    if not drills:
        return
    if isinstance(subnets, FailedRead) or isinstance(groups, FailedRead):
        in_force = [each for each in evidence.settings.values() if each.template_version]
        # What could not be read is a finding already where a launch template names one.
        if isinstance(subnets, FailedRead) and not any(e.subnet_id for e in in_force):
            yield subnets.finding("the subnets of drills", planned)
        if isinstance(groups, FailedRead) and not any(e.security_group_ids for e in in_force):
            yield groups.finding("the security groups of drills", planned)
        return
    existing = Existing(
        region=planned.target.region,
        subnets={subnet_id: each.vpc_id or "" for subnet_id, each in subnets.items()},
        security_groups=groups,
        unread={NamedKind.INSTANCE_PROFILE: "read by the drill itself"},
    )
    problems: dict[str, list[str]] = {}
    for server_id, settings in drills.items():
        found = evidence.settings.get(server_id, SettingsInForce())
        for problem in existing.problems(Named.by(settings, found)):
            problems.setdefault(problem, []).append(server_id)
    for subnet_id, servers in _grouped({i: [e.subnet_id] for i, e in drills.items()}).items():
        subnet = subnets.get(subnet_id)
        if subnet and (short := _shortage(subnet_id, subnet, len(servers), "a drill")):
            problems[short] = servers
    for problem, servers in problems.items():
        message = f"a drill cannot isolate it: {problem}"
        seen = {"Problem": problem}
        yield from affected(planned, ISOLATION_IMPOSSIBLE, servers, message, evidence=seen)


def _first_failure(
    planned: PlannedTarget, what: str, read: Mapping[str, object]
) -> Iterator[Finding]:
    """One finding of each action that failed, whatever it was for."""
    failed = (each for each in read.values() if isinstance(each, FailedRead))
    for each in {(one.action, one.is_denied): one for one in failed}.values():
        yield each.finding(what, planned)


def _grouped(values: Mapping[str, list[str] | list[str | None]]) -> dict[str, list[str]]:
    """The servers of each value."""
    found: dict[str, list[str]] = {}
    for server_id, some in values.items():
        for value in some:
            found.setdefault(value or "", []).append(server_id)
    return found


def _only_wave(planned: PlannedTarget, server_ids: list[str]) -> str | None:
    waves = {planned.wave_of[each].wave_id for each in server_ids}
    return waves.pop() if len(waves) == 1 else None

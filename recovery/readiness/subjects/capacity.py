"""Capacity: whether EC2 has the instance types in the zone, and the quota for all of them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from recovery.base_model import Model
from recovery.launch_settings.in_force import NO_RIGHT_SIZING, SettingsInForce
from recovery.readiness.affected import affected
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.text_format import count

INSTANCE_TYPE_NOT_OFFERED = FindingKind(
    code=FindingCode.INSTANCE_TYPE_NOT_OFFERED,
    severity=Severity.BLOCKS,
    title="The instance type is not offered in the zone",
    meaning="EC2 refuses to launch the recovery instance, and DRS's job fails for the server.",
    action="Choose a type that the zone has, or a subnet in another zone.",
)
RECOMMENDED_TYPE_NOT_OFFERED = FindingKind(
    code=FindingCode.RECOMMENDED_TYPE_NOT_OFFERED,
    severity=Severity.WARNS,
    title="The type that DRS recommends is not offered in the zone",
    meaning="DRS chooses the type at the launch (right sizing) and does not say which one before.",
    action="Name an InstanceType in LaunchSettings that the zone has; it ends the right sizing.",
)
INSTANCE_TYPE_UNKNOWN = FindingKind(
    code=FindingCode.INSTANCE_TYPE_UNKNOWN,
    severity=Severity.WARNS,
    title="The instance type cannot be known before the launch",
    meaning="DRS chooses it (right sizing) and recommends none, or the launch template names none, "
    "so zone and quota are not checked.",
    action="Name an InstanceType in LaunchSettings, and apply them.",
)
VCPU_QUOTA_UNKNOWN = FindingKind(
    code=FindingCode.VCPU_QUOTA_UNKNOWN,
    severity=Severity.UNKNOWN,
    title="EC2's quota of vCPUs is not known",
    meaning="Service Quotas does not list it, or EC2 does not say how many vCPUs a type has: "
    "whether the launches fit into it is not known.",
    action="See the quota that the finding names in the Service Quotas console.",
)
VCPU_QUOTA_SHORT = FindingKind(
    code=FindingCode.VCPU_QUOTA_SHORT,
    severity=Severity.BLOCKS,
    title="EC2's quota of vCPUs does not suffice for the plan",
    meaning="EC2 refuses the launches that exceed it. DRS's conversion servers need more on top.",
    action="Ask Service Quotas for a higher value; it can take days.",
)
KINDS = (
    INSTANCE_TYPE_NOT_OFFERED,
    RECOMMENDED_TYPE_NOT_OFFERED,
    INSTANCE_TYPE_UNKNOWN,
    VCPU_QUOTA_UNKNOWN,
    VCPU_QUOTA_SHORT,
)

# Source: the user guide of EC2, "On-Demand Instance quotas"; the codes as Service Quotas lists
# them. Families of other quotas are not compared.
STANDARD = "L-1216C47A"
QUOTA_NAMES: Mapping[str, str] = {
    STANDARD: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-417A185B": "Running On-Demand P instances",
    "L-74FC7D96": "Running On-Demand F instances",
    "L-7295265B": "Running On-Demand X instances",
    "L-1945791B": "Running On-Demand Inf instances",
}
_FAMILIES = {
    "g": "L-DB2E81BA", "gr": "L-DB2E81BA", "vt": "L-DB2E81BA", "p": "L-417A185B",
    "f": "L-74FC7D96", "x": "L-7295265B", "inf": "L-1945791B",
    **dict.fromkeys(("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"), STANDARD),
}  # fmt: skip


def quota_of(instance_type: str) -> str | None:
    """The code of the quota that limits the vCPUs of a type; None if it is not known."""
    letters = re.match("[a-z]+", instance_type)
    return _FAMILIES.get(letters[0]) if letters else None


class TypeSeen(Model):
    """An instance type that EC2 has, and the zones that offer it."""

    vcpus: int | None = None
    zones: tuple[str, ...] = ()


class RunningVcpus(Model):
    """What runs on demand in the account and Region.

    Attributes:
        total: vCPUs, by the code of their quota.
        of_servers: those of recovery instances, by source server; a launch replaces them.
    """

    total: dict[str, int] = {}
    of_servers: dict[str, dict[str, int]] = {}


class CapacityEvidence(Model):
    """What the launches of a plan's servers in one target would take, and what EC2 has.

    Attributes:
        settings: in force, by server; those that could be read.
        recommended: the types that DRS recommends, by server.
        zones: of the subnets, by their ID.
        types: by name; one that EC2 does not know is left out.
        quotas: of EC2, by code.
    """

    settings: dict[str, SettingsInForce] = {}
    recommended: dict[str, str] = {}
    zones: dict[str, str] = {}
    types: dict[str, TypeSeen] | FailedRead = {}
    running: RunningVcpus | FailedRead = RunningVcpus()
    quotas: dict[str, float] | FailedRead = {}


def types_of(
    settings: Mapping[str, SettingsInForce], recommended: Mapping[str, str]
) -> dict[str, str | None]:
    """The instance type that each server would have; None: DRS chooses it, and recommends none.

    Args:
        settings: in force, by server.
        recommended: by server.
    """
    return {
        server_id: recommended.get(server_id) if _is_sized(each) else each.instance_type
        for server_id, each in settings.items()
        if each.template_version is not None
    }


def capacity_findings(planned: PlannedTarget, evidence: CapacityEvidence) -> Iterator[Finding]:
    """Judge whether EC2 can launch a plan's servers in one target."""
    chosen = types_of(evidence.settings, evidence.recommended)
    unknown = [server_id for server_id, each in chosen.items() if each is None]
    for is_sized, why in (
        (True, "DRS chooses its instance type at the launch, and recommends none"),
        (False, "its launch template names no instance type"),
    ):
        some = [i for i in unknown if _is_sized(evidence.settings[i]) is is_sized]
        yield from affected(planned, INSTANCE_TYPE_UNKNOWN, some, why)
    known = {server_id: each for server_id, each in chosen.items() if each is not None}
    if not known:
        return
    if isinstance(evidence.types, FailedRead):
        yield evidence.types.finding("the instance types", planned)
        return
    yield from _offerings(planned, evidence, evidence.types, known)
    yield from _quotas(planned, evidence, evidence.types, known)


def _offerings(
    planned: PlannedTarget,
    evidence: CapacityEvidence,
    types: Mapping[str, TypeSeen],
    known: Mapping[str, str],
) -> Iterator[Finding]:
    missing: dict[tuple[str, str, bool], list[str]] = {}
    for server_id, name in known.items():
        settings = evidence.settings[server_id]
        # Without a subnet, EC2 chooses a zone that has the type, if there is one.
        zone = evidence.zones.get(settings.subnet_id or "") or ""
        zones = types.get(name, TypeSeen()).zones
        if zone not in zones if zone else not zones:
            missing.setdefault((name, zone, _is_sized(settings)), []).append(server_id)
    for (name, zone, is_sized), servers in missing.items():
        seen = {"InstanceType": name, "Zone": zone or "any"}
        if is_sized:
            kind, what = RECOMMENDED_TYPE_NOT_OFFERED, f"{name}, which DRS recommends for it,"
        else:
            kind, what = INSTANCE_TYPE_NOT_OFFERED, f"its instance type {name}"
        where = f"{zone}, the zone of its subnet" if zone else "any zone of the Region"
        message = f"{what} is not offered in {where}"
        yield from affected(planned, kind, servers, message, evidence=seen)


def _quotas(
    planned: PlannedTarget,
    evidence: CapacityEvidence,
    types: Mapping[str, TypeSeen],
    known: Mapping[str, str],
) -> Iterator[Finding]:
    needed: Counter[str] = Counter()
    unseen: dict[str, str] = {}
    guessed: Counter[str] = Counter()
    for server_id, name in known.items():
        settings, vcpus = evidence.settings[server_id], types.get(name, TypeSeen()).vcpus
        code = quota_of(name)
        # A stopped instance takes no quota.
        if code is None or settings.drs.launch_disposition == "STOPPED":
            continue
        # What EC2 does not have at all is a finding already.
        if not vcpus and types.get(name, TypeSeen()).zones:
            unseen[code] = f"EC2 does not say how many vCPUs {name} has"
            continue
        needed[code] += vcpus or 0
        guessed[code] += _is_sized(settings)
    if not needed and not unseen:
        return
    running, quotas = evidence.running, evidence.quotas
    for failed, what in ((running, "what runs in EC2"), (quotas, "the quotas of EC2")):
        if isinstance(failed, FailedRead):
            yield failed.finding(what, planned)
    if isinstance(running, FailedRead) or isinstance(quotas, FailedRead):
        return
    unseen |= {code: "Service Quotas does not list it" for code in needed if code not in quotas}
    for code, why in unseen.items():
        message = f"whether the plan fits into the quota {QUOTA_NAMES[code]} is not known: {why}"
        yield planned.finding(VCPU_QUOTA_UNKNOWN, message, evidence={"Quota": code})
    for code, vcpus in needed.items():
        quota = quotas.get(code)
        replaced = sum(running.of_servers.get(i, {}).get(code, 0) for i in planned.servers)
        others = running.total.get(code, 0) - replaced
        if quota is None or others + vcpus <= quota:
            continue
        sized = ""
        if guessed[code]:
            sized = f"; DRS chooses the types of {count(guessed[code], 'server')}"
        yield planned.finding(
            VCPU_QUOTA_SHORT,
            f"the plan needs {vcpus} vCPUs here and {others} run already; the quota "
            f"{QUOTA_NAMES[code]} is {quota:g}{sized}",
            evidence={
                "Quota": f"{code} = {quota:g}", "Needed": str(vcpus), "Running": str(others),
                "ChosenByDrs": str(guessed[code]),
            },
        )  # fmt: skip


def _is_sized(settings: SettingsInForce) -> bool:
    """Whether DRS chooses the instance type, whatever the launch template has."""
    return settings.drs.right_sizing not in (None, NO_RIGHT_SIZING)

"""All kinds of findings, by code: for the reference of them, and for `readiness --explain`."""

from collections.abc import Mapping

from recovery.readiness import failed_read
from recovery.readiness.finding import FindingCode, FindingKind
from recovery.readiness.subjects import (
    access,
    capacity,
    identity,
    jobs,
    launch_template,
    membership,
    network,
    replication,
    schedule,
    snapshots,
    steps,
    surroundings,
)

SUBJECTS: Mapping[str, tuple[FindingKind, ...]] = {
    "Not known": failed_read.KINDS,
    "Replication": replication.KINDS,
    "Servers by tags": membership.KINDS,
    "Jobs": jobs.KINDS,
    "Snapshots": snapshots.KINDS,
    "Launch template and network": (*launch_template.KINDS, *network.KINDS),
    "Capacity and quotas": capacity.KINDS,
    "Identity": identity.KINDS,
    "Steps": steps.KINDS,
    "Schedule of drills": schedule.KINDS,
    "Access": access.KINDS,
    "Surroundings": surroundings.KINDS,
}
FINDING_KINDS: Mapping[FindingCode, FindingKind] = {
    kind.code: kind for kinds in SUBJECTS.values() for kind in kinds
}

"""All kinds of findings, by code: for the reference of them, and for `readiness --explain`."""

from collections.abc import Mapping

from recovery.readiness import failed_read
from recovery.readiness.finding import FindingCode, FindingKind
from recovery.readiness.subjects import (
    identity,
    jobs,
    launch_template,
    replication,
    snapshots,
    surroundings,
)

SUBJECTS: Mapping[str, tuple[FindingKind, ...]] = {
    "Not known": failed_read.KINDS,
    "Replication": replication.KINDS,
    "Jobs": jobs.KINDS,
    "Snapshots": snapshots.KINDS,
    "Launch templates": launch_template.KINDS,
    "Identity": identity.KINDS,
    "Surroundings": surroundings.KINDS,
}
FINDING_KINDS: Mapping[FindingCode, FindingKind] = {
    kind.code: kind for kinds in SUBJECTS.values() for kind in kinds
}

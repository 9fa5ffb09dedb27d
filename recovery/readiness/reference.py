"""The reference of all findings, `docs/findings.md`."""

from recovery.readiness.finding import FindingKind, Severity
from recovery.readiness.finding_kinds import SUBJECTS

_HEAD = """# Findings

What `drs-waves readiness`, `run --dry-run`, the API and the pages say about a plan before anything
is launched. This page is made from the code by `make references`;
`drs-waves readiness --explain CODE` shows a part of it.

A plan is NOT_READY if a finding BLOCKS, else UNKNOWN if something could not be looked at, else
READY; it is STALE if it was not looked at for twice its `ReadinessEvery`. Unknown is not ready.
A real recovery is never blocked by a finding. A drill with findings that block, or are UNKNOWN,
needs somebody who accepts them (`--accept-findings`); some refuse a drill in any case.
"""
_SEVERITIES = {
    Severity.BLOCKS: "Blocks.",
    Severity.WARNS: "Warns.",
    Severity.UNKNOWN: "Unknown.",
}


def reference() -> str:
    """The reference, in Markdown."""
    parts = [_HEAD]
    for subject, kinds in SUBJECTS.items():
        parts += [f"## {subject}\n", *(_kind_text(kind) for kind in kinds)]
    return "\n".join(parts)


def _kind_text(kind: FindingKind) -> str:
    effects = [_SEVERITIES[kind.severity]]
    effects += ["DRS or drs-waves would not launch the server now."] * kind.prevents_launch
    effects += ["Refuses a drill."] * kind.refuses_drill
    return "\n".join(
        [
            f"### {kind.code}",
            "",
            f"{kind.title}. {' '.join(effects)}",
            "",
            kind.meaning,
            "",
            f"What to do: {kind.action}",
            "",
        ]
    )


if __name__ == "__main__":
    print(reference(), end="")

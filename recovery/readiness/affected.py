"""One fault of many servers: a finding of each, or one of all where they are too many to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from recovery.execution.server import server_label
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingKind
from recovery.readiness.planned_target import PlannedTarget
from recovery.text_format import count, listed

# Of more, a plan of 4,000 servers would have as many findings for one deleted subnet.
_MOST_ALONE = 20
_NAMED = 5


def affected(
    planned: PlannedTarget,
    kind: FindingKind,
    server_ids: Sequence[str],
    message: str,
    *,
    evidence: Mapping[str, str] | None = None,
    read_time: float | None = None,
) -> Iterator[Finding]:
    """The findings of servers that have the same fault.

    Args:
        planned: the servers of the target.
        kind: that of the fault.
        server_ids: those that have it.
        message: of one server.
        evidence: the same for all.
        read_time: when the evidence was read, if that is not the time of the look.
    """
    if len(server_ids) <= _MOST_ALONE:
        for server_id in server_ids:
            yield planned.finding(kind, message, server_id, evidence=evidence, read_time=read_time)
        return
    names = listed(server_ids, shown=_NAMED)
    yield planned.finding(
        kind,
        f"{count(len(server_ids), 'server')} ({names}): {message}",
        evidence={**(evidence or {}), "Servers": str(len(server_ids))},
        read_time=read_time,
    )


def unread(
    planned: PlannedTarget, what: str, failed: Mapping[str, FailedRead]
) -> Iterator[Finding]:
    """The findings of servers of which something could not be read.

    Args:
        planned: the servers of the target.
        what: what was to be read, such as `its snapshots`.
        failed: why, by server.
    """
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for server_id, each in failed.items():
        by_reason.setdefault((each.action, each.is_denied), []).append(server_id)
    for servers in by_reason.values():
        first = failed[servers[0]]
        if len(servers) <= _MOST_ALONE and not first.is_denied:
            for server_id in servers:
                yield failed[server_id].finding(what, planned, server_id)
        else:
            # A permission is missing once, however many servers it is needed for.
            some = what if len(servers) > 1 else f"{what} ({servers[0]})"
            yield first.finding(some, planned, servers[0] if len(servers) == 1 else None)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The findings for screens: one of all servers of a wave that have the same fault."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for each in findings:
        about = (each.code, each.message, each.wave_id, each.region, each.account_id, each.job_id)
        groups.setdefault((*about, *each.evidence.items()), []).append(each)
    return [_merged(some) if len(some) > 1 else some[0] for some in groups.values()]


def _merged(findings: list[Finding]) -> Finding:
    labels = [server_label(f.source_server_id or "-", f.server_name) for f in findings]
    named = listed(labels, shown=_NAMED)
    update = {
        "message": f"{count(len(findings), 'server')} ({named}): {findings[0].message}",
        "source_server_id": None,
        "server_name": None,
        "read_time": min((f.read_time for f in findings if f.read_time), default=None),
    }
    return findings[0].model_copy(update=update)

"""Launch settings as text."""

from collections.abc import Sequence

from cli.render.tables import aligned
from recovery.launch_settings.in_force import DrsFields
from recovery.launch_settings.report import AppliedServer, AppliedStatus, ApplyState, ServerSettings
from recovery.text_format import count, shortened

_NONE = "(none)"


def difference_lines(found: Sequence[ServerSettings]) -> list[str]:
    """What DRS and EC2 have otherwise than the plan wants it, a line each."""
    rows = [
        (each.wave_id, each.source_server_id, d.setting, d.found or _NONE, d.wanted)
        for each in found
        for d in each.differences
    ]
    heading = ("WAVE", "SERVER", "SETTING", "NOW", "PLAN")
    lines = aligned(rows, heading=heading) if rows else []
    notes = [(each.source_server_id, each.problem or each.held) for each in found]
    lines += [f"{server_id}: {shortened(note)}" for server_id, note in notes if note]
    same = sum(each.is_as_wanted for each in found)
    have = "has" if same == 1 else "have"
    return [*lines, f"{same} of {count(len(found), 'server')} {have} what the plan wants."]


def applied_lines(state: ApplyState) -> list[str]:
    """What became of each server that had not what the plan wants."""
    rows = [
        (
            each.status,
            each.wave_id,
            each.source_server_id,
            each.template_id or "-",
            _versions(each),
            "; ".join(filter(None, (shortened(each.reason), _changed(each)))),
        )
        for each in state.servers
    ]
    heading = ("STATUS", "WAVE", "SERVER", "TEMPLATE", "VERSION", "")
    lines = aligned(rows, heading=heading) if rows else []
    return [*lines, f"{state.status}. {count(state.unchanged, 'server')} had it already."]


def _versions(server: AppliedServer) -> str:
    before = _NONE if server.version_before is None else str(server.version_before)
    return before if server.version_after is None else f"{before} → {server.version_after}"


def _changed(server: AppliedServer) -> str:
    if server.status is not AppliedStatus.APPLIED:
        return ""
    return _fields(server.drs_before, server.drs_after)


def _fields(before: DrsFields, after: DrsFields) -> str:
    changed = [
        f"{field.alias} {getattr(before, name)} → {getattr(after, name)}"
        for name, field in DrsFields.model_fields.items()
        if getattr(after, name) is not None
    ]
    return ", ".join(changed)

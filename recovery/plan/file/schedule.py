"""Checks of the schedule of a plan file: drills that start by themselves must be isolated."""

from recovery.plan.file.draft import PlanDraft
from recovery.plan.file.launch_settings import is_isolated
from recovery.schedule.model import FreezeWindow
from recovery.text_format import count

_SHOWN = 3


def check_schedule(plan: PlanDraft) -> None:
    """Report a schedule whose drills are not isolated, and windows that end before they begin."""
    _check_windows(plan)
    node = plan.given.get("Schedule")
    if node is None:
        return
    if any("ServersByTag" in wave.given for wave in plan.waves):
        message = "the Schedule starts drills of the servers that it was signed for, and a wave has"
        plan.problem(node, f"{message} ServersByTag; list the servers, or remove the Schedule")
    if plan.values.get("Isolation") is not None:
        return
    open_to_production = [
        server.values["SourceServerId"]
        for wave in plan.waves
        for server in wave.servers
        if not is_isolated(plan, wave, server)
    ]
    if open_to_production:
        more = len(open_to_production) - _SHOWN
        named = ", ".join(open_to_production[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        plan.problem(
            node,
            f"the Schedule starts drills, and {count(len(open_to_production), 'server')} "
            f"({named}) would launch beside production; give the plan DrillLaunchSettings, or "
            "write `Isolation: NOT_NEEDED`",
        )


def _check_windows(plan: PlanDraft) -> None:
    given = plan.given.get("Freeze")
    windows = plan.values.get("Freeze")
    if given is None or not isinstance(windows, list):
        return
    for node, values in zip(given.items, windows, strict=False):
        if not isinstance(values, dict) or not {"From", "To"} <= values.keys():
            continue
        window = FreezeWindow.model_validate(values)
        if window.end <= window.begin:
            plan.problem(node, "an entry of Freeze ends before it begins; exchange From and To")

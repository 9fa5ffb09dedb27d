"""The readiness check of a plan, and what a start then keeps and launches."""

from collections.abc import Collection

from temporalio.client import Client

from client.takeover import PreviousExecution
from client.workers import read_on_worker
from contract.readiness import Readiness
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count
from workflows.readiness.check import ReadinessWorkflow

_CHECK_SECONDS = 150.0


async def check_readiness(client: Client, plan: RecoveryPlan) -> Readiness:
    """Check a plan's servers and targets on the worker; launches nothing.

    Raises:
        UnreachableError: no worker responded.
    """
    return await read_on_worker(
        client,
        ReadinessWorkflow.run,
        plan,
        workflow_id=f"drs-readiness/{plan.plan_id}",
        what=f"Readiness of {plan.plan_name}",
        timeout_seconds=_CHECK_SECONDS,
    )


def launch_lines(
    plan: RecoveryPlan,
    readiness: Readiness | None,
    relaunch: Collection[str] = (),
    previous: PreviousExecution | None = None,
) -> list[str]:
    """What a start keeps, does not launch and launches, a line each for a terminal."""
    scope = start_scope(plan, readiness, relaunch, previous)
    return [f"{verb:<9}{text}" for verb, text in scope.items()]


def start_scope(
    plan: RecoveryPlan,
    readiness: Readiness | None,
    relaunch: Collection[str] = (),
    previous: PreviousExecution | None = None,
) -> dict[str, str]:
    """Count what a start keeps, what it does not launch, and what it launches, each by its verb.

    What an earlier execution has up is kept even where `relaunch` names it: that only permits to
    launch a server over a live recovery instance.
    """
    if readiness is not None and any(target.mismatch for target in readiness.context.targets):
        return {"Launches": "nothing, because the worker must not act in a target listed below"}
    kept = set(previous.up) if previous is not None else set()
    open_jobs = set(previous.launching) if previous is not None else set()
    findings = readiness.findings if readiness is not None else []
    blocked = {f.source_server_id for f in findings if f.prevents_launch and f.source_server_id}
    points = plan.chosen_points.items()
    without = {i for i, point in points if not point.kind.is_launched} - kept - open_jobs
    refused = blocked - kept - open_jobs - set(relaunch) - without
    servers, waves = plan.counted_without(kept | open_jobs | refused | without)
    scope = {}
    if kept:
        scope["Keeps"] = f"{_which_are(len(kept))} recorded as up; each is checked again"
    if open_jobs:
        watched = _which_are(len(open_jobs))
        scope["Watches"] = f"{watched} in a DRS job without a result yet"
    if refused:
        scope["Refuses"] = f"{_which_are(len(refused))} listed below"
    if without:
        scope["Leaves"] = (
            f"{count(len(without), 'server')} without a snapshot for the point in time"
        )
    launches = f"{count(servers, 'server')} in {count(waves, 'wave')}"
    if by_tag := plan.unknown_waves:
        launches += f", and the servers of {count(by_tag, 'wave')} by tags, which are shown first"
    return scope | {"Launches": launches}


def sources_text(readiness: Readiness | None) -> str:
    """How many source servers may still be writing while their recovery instances start.

    Args:
        readiness: what the worker found; None if the check failed.
    """
    sources = readiness.sources if readiness is not None else None
    if sources is None:
        return "it is not known which source servers may still be writing"
    were = "was" if sources.seen == 1 else "were"
    if not sources.total:
        return "it is not known which source servers the plan has"
    text = f"{sources.seen} of {count(sources.total, 'source server')} {were} seen in the last "
    text += "10 minutes" + (" and may still be writing" if sources.seen else "")
    unknown = sources.total - sources.known
    return f"{text}; of {unknown} it is not known" if unknown else text


def _which_are(number: int) -> str:
    return f"{count(number, 'server')} that {'is' if number == 1 else 'are'}"

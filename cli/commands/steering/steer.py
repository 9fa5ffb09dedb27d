"""The commands that steer a running execution."""

import asyncio
from functools import partial
from typing import Annotated

import typer

from cli.commands.validate import Confirmation, Json
from cli.input.break_glass import BreakGlass, KeyPath, signed_recoveries
from cli.input.completion import PlanOrExecution, WaveName
from cli.input.confirmation import require_confirmation
from cli.input.durations import parse_duration
from cli.input.executions import portfolio_named
from cli.render.output import notice, show, write_json
from client.errors import RefusedError, UnreachableError
from client.executions import RunningExecution
from client.recoveries.chosen import Choice, recoveries
from client.recoveries.protocol import Recoveries
from client.steering import CANCELLATION, WITHOUT_WORKER
from recovery.base_model import Model
from recovery.operator.confirmation import cancel_refusal
from recovery.operator.effects import cancellation_effect
from recovery.operator.messages import CANCEL_EXECUTION, MessageName, OperatorMessage

Reason = Annotated[str, typer.Option(help="The reason, which the history records.")]
LaunchId = Annotated[
    str | None,
    typer.Option(
        metavar="LAUNCH_ID",
        help="The launch in doubt; needed if the wave has several.",
    ),
]
Actor = Annotated[
    str | None, typer.Option(metavar="WHO", help="Who decides. Default: you, as user@host.")
]

EXIT_CODES = (
    "Exit codes: 0 done (or queued until a worker is available), 2 rejected or refused, "
    "5 Temporal cannot be reached."
)

_ALSO_OF_PORTFOLIOS = ("pause", "resume", "cancel")


class SentMessage(Model):
    """A message that was sent to an execution.

    Attributes:
        wave: the wave, as the operator named it.
        step: the step, as the operator named it.
        effect: what it did; None until a worker runs.
    """

    plan_id: str
    execution_id: str
    name: str
    wave: str | None = None
    step: str | None = None
    effect: str | None = None
    worker_answered: bool


def skip_wave(
    plan: PlanOrExecution,
    wave: WaveName,
    *,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Also skip all waves that depend on it.")
    ] = False,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Skip a wave that is not launched yet.

    The waves that depend on it launch without it.
    """
    message = OperatorMessage(MessageName.SKIP_WAVE, wave, reason, cascade=cascade)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def accept_wave(
    plan: PlanOrExecution,
    wave: WaveName,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Let dependents launch although a wave is not fully up."""
    steer(
        plan,
        OperatorMessage(MessageName.ACCEPT_WAVE, wave, reason),
        actor,
        signed_recoveries(break_glass, key),
        json=json,
    )


def cancel_wave(
    plan: PlanOrExecution,
    wave: WaveName,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Stop waiting for one running wave.

    The plan continues. DRS continues the jobs of the wave; they are observed.
    """
    steer(
        plan,
        OperatorMessage(MessageName.CANCEL_WAVE, wave, reason),
        actor,
        signed_recoveries(break_glass, key),
        json=json,
    )


def retry_wave(
    plan: PlanOrExecution,
    wave: WaveName,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Launch again what is not up in a wave.

    The wave is FAILED, TIMED_OUT or CANCELLED. Servers that are up are kept.
    """
    steer(
        plan,
        OperatorMessage(MessageName.RETRY_WAVE, wave, reason),
        actor,
        signed_recoveries(break_glass, key),
        json=json,
    )


def approve_wave(
    plan: PlanOrExecution,
    wave: WaveName,
    *,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse the wave.")] = False,
    expires: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_duration,
            help="How long the approval is valid, such as 30m.",
        ),
    ] = None,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Approve or refuse a wave that waits for approval."""
    message = OperatorMessage(
        MessageName.APPROVE_WAVE,
        wave,
        reason,
        approve=not refuse,
        expires_in_seconds=expires,
    )
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def approve_recovery(
    plan: PlanOrExecution,
    *,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it: it ends.")] = False,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Approve or refuse a real recovery before it launches.

    Only signed approvals count: use the pages or the API, or an offline key, whose
    approval counts as all that are needed.
    """
    message = OperatorMessage(MessageName.APPROVE_RECOVERY, reason=reason, approve=not refuse)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def adopt_job(
    plan: PlanOrExecution,
    wave: WaveName,
    job_id: Annotated[str, typer.Argument(metavar="JOB_ID", help="Such as drsjob-….")],
    *,
    launch: LaunchId = None,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Name the DRS job of a launch in doubt.

    The wave then watches the job as its own.
    """
    message = OperatorMessage(MessageName.ADOPT_JOB, wave, reason, job=job_id, launch=launch)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def launch_anyway(
    plan: PlanOrExecution,
    wave: WaveName,
    *,
    launch: LaunchId = None,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Launch servers of a launch in doubt: DRS has no job.

    Look in the DRS console first: if DRS has a job of this launch, it may launch
    the servers twice.
    """
    message = OperatorMessage(MessageName.LAUNCH_ANYWAY, wave, reason, launch=launch)
    steer(plan, message, actor, signed_recoveries(break_glass, key), json=json)


def pause(
    plan: PlanOrExecution,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Launch nothing new until resume.

    Waves that are running continue.
    """
    steer(
        plan,
        OperatorMessage(MessageName.PAUSE, reason=reason),
        actor,
        signed_recoveries(break_glass, key),
        json=json,
    )


def resume(
    plan: PlanOrExecution,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Launch ready waves again after a pause."""
    steer(
        plan,
        OperatorMessage(MessageName.RESUME, reason=reason),
        actor,
        signed_recoveries(break_glass, key),
        json=json,
    )


def acknowledge(
    plan: PlanOrExecution,
    *,
    reason: Reason = "",
    actor: Actor = None,
    break_glass: BreakGlass = None,
    key: KeyPath = None,
    json: Json = False,
) -> None:
    """Say that you take care of a plan's open decisions.

    Everybody sees your name beside them. Reminders pause for 30 minutes.
    """
    steer(
        plan,
        OperatorMessage(MessageName.ACKNOWLEDGE, reason=reason),
        actor,
        signed_recoveries(break_glass, key),
        json=json,
    )


def cancel_plan(
    plan: PlanOrExecution,
    reason: Reason = "",
    confirm_id: Confirmation = None,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Cancel a running execution.

    For a real recovery, it asks for the PlanId. Nothing new is launched. DRS
    cannot stop its jobs: they continue, and are observed and recorded. Temporal
    takes it unsigned: without the API, unset DRS_WAVES_API_URL; no key is needed.
    """
    running = asyncio.run(_running(plan, "cancel"))
    rule = partial(cancel_refusal, running.plan_id, running.execution_type)
    if rule(confirm_id) is not None:
        what = f"{running.execution_type or 'EXECUTION'} {running.execution_id}"
        notice(f"{what} will be cancelled: {asyncio.run(_cancellation(running))}.")
    confirmation = require_confirmation(rule, running.plan_id, confirm_id, what="cancel it")
    effect = asyncio.run(_cancel(running, actor, reason, confirmation))
    _show(running, None, effect, json=json)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    wave_commands = (skip_wave, accept_wave, cancel_wave, retry_wave, approve_wave)
    general = (approve_recovery, adopt_job, launch_anyway, pause, resume, acknowledge)
    for command in (*wave_commands, *general):
        app.command(epilog=EXIT_CODES)(command)
    app.command("cancel", epilog=EXIT_CODES)(cancel_plan)


def steer(
    plan: str,
    message: OperatorMessage,
    actor: str | None,
    signed: Choice,
    *,
    json: bool,
) -> None:
    """Send a message, and print what it did."""
    running, effect = asyncio.run(_send(plan, message, actor, signed))
    _show(running, message, effect, json=json)


async def _running(plan: str, command: str) -> RunningExecution:
    async with recoveries() as known:
        return await _required(known, plan, command)


async def _required(known: Recoveries, given: str, command: str) -> RunningExecution:
    """The running execution that is meant; of a portfolio, the refusal says what steers it."""
    try:
        return await known.require_running(given)
    except RefusedError as error:
        if await portfolio_named(known, given) is None:
            raise
        own = f"portfolio {command}" if command in _ALSO_OF_PORTFOLIOS else "portfolio watch"
        remedy = f"`drs-waves {own} {given}`"
        if command not in _ALSO_OF_PORTFOLIOS:
            remedy += " shows its plans; name one of them"
        raise RefusedError(f"{given} is a portfolio", command=remedy) from error


async def _cancellation(running: RunningExecution) -> str:
    """What a cancellation does; in general if the state cannot be read."""
    try:
        async with recoveries() as known:
            state = await known.state(running.plan_id, running.execution_id)
    except (RefusedError, UnreachableError):
        return CANCELLATION
    return cancellation_effect(state)


async def _send(
    plan: str, message: OperatorMessage, actor: str | None, signed: Choice
) -> tuple[RunningExecution, str | None]:
    async with signed() as known:
        running = await _required(known, plan, message.name)
        return running, await known.send(running, message, actor=actor)


async def _cancel(
    running: RunningExecution, actor: str | None, reason: str, confirmation: str | None
) -> str | None:
    async with recoveries() as known:
        return await known.cancel(running, reason=reason, confirmation=confirmation, actor=actor)


def _show(
    running: RunningExecution, message: OperatorMessage | None, effect: str | None, *, json: bool
) -> None:
    """Print what a message did; None is the cancellation."""
    wave = message.wave if message else None
    if json:
        sent = SentMessage(
            plan_id=running.plan_id,
            execution_id=running.execution_id,
            name=message.name if message else CANCEL_EXECUTION,
            wave=wave,
            step=message.step if message else None,
            effect=effect,
            worker_answered=effect is not None,
        )
        write_json(sent)
    else:
        show(f"{wave or running.plan_id}: {effect or WITHOUT_WORKER}")

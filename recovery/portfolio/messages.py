"""Operators' messages to a portfolio: one table of what is allowed when, and the effects."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from recovery.access.grants import MessageVerdict
from recovery.access.roles import Role
from recovery.base_model import StrictModel
from recovery.execution.state import PlanStatus, RefusalCode
from recovery.execution.wave import OperatorDecision
from recovery.operator.messages import (
    CANCEL_EXECUTION,
    MAX_CHARACTERS,
    MessageRejected,
    nearest,
    read_cancel_reason,
)
from recovery.plan.fields import PlanOrWaveId
from recovery.portfolio.scheduler import PortfolioScheduler
from recovery.portfolio.state import (
    MemberState,
    MemberStatus,
    PortfolioMessageRecord,
    PortfolioState,
)
from recovery.text_format import shortened, visible

_MAX_RECORDS = 300


class PortfolioMessageName(StrEnum):
    """The names of the messages, each a signal and an update."""

    PAUSE = "pause"
    RESUME = "resume"
    SKIP_PLAN = "skip_plan"
    START_PLAN = "start_plan"
    ACCEPT_PLAN = "accept_plan"

    @property
    def is_about_a_plan(self) -> bool:
        """Whether the message is about one plan."""
        return self not in (PortfolioMessageName.PAUSE, PortfolioMessageName.RESUME)


_Text = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(visible)]


class PortfolioMessage(StrictModel):
    """An operator's message to a portfolio.

    Attributes:
        plan: the PlanId, of a message about a plan.
        execution_id: the portfolio's execution that it is for; None for the running one.
    """

    plan: PlanOrWaveId | None = None
    actor: _Text = "unknown"
    reason: _Text = ""
    execution_id: _Text | None = None


# What a plan must be for a message about it, and what is said otherwise.
_ALLOWED: Mapping[PortfolioMessageName, tuple[Callable[[MemberState], bool], str]] = {
    PortfolioMessageName.SKIP_PLAN: (
        lambda plan: not plan.has_started and plan.skipped_by is None,
        "only a plan that is not started can be skipped; `drs-waves cancel {plan}` cancels one "
        "that runs",
    ),
    PortfolioMessageName.START_PLAN: (
        lambda plan: not plan.has_started and plan.released_by is None,
        "only a plan that is not started can be started now; after its end, "
        "`drs-waves run --from {execution}` continues it",
    ),
    PortfolioMessageName.ACCEPT_PLAN: (
        lambda plan: (
            plan.status in (MemberStatus.FAILED, MemberStatus.CANCELLED, MemberStatus.PARTIAL)
            and plan.accepted_by is None
        ),
        "only a plan that is FAILED, CANCELLED or PARTIAL can be accepted",
    ),
}


def required_role(_: PortfolioMessageName) -> Role:
    """The role that sends a message to a portfolio."""
    return Role.OPERATOR


def require_allowed(
    state: PortfolioState, name: PortfolioMessageName, message: PortfolioMessage
) -> None:
    """Check that a message would be accepted.

    Raises:
        MessageRejected: it would not.
    """
    if message.execution_id not in (None, state.execution_id):
        text = f"it is for {message.execution_id}, and this is {state.execution_id}"
        raise MessageRejected(text, RefusalCode.OTHER_EXECUTION)
    if state.is_over:
        raise MessageRejected(
            f"{state.execution_id} has ended; `{state.continue_command}` starts the plans "
            "that did not complete",
            RefusalCode.EXECUTION_ENDED,
        )
    if name is PortfolioMessageName.PAUSE and state.status is PlanStatus.PAUSED:
        raise MessageRejected("it is paused already", RefusalCode.PAUSED_ALREADY)
    if name is PortfolioMessageName.RESUME and state.status is not PlanStatus.PAUSED:
        raise MessageRejected("it is not paused", RefusalCode.NOT_PAUSED)
    if name.is_about_a_plan:
        _require_plan(state, name, message.plan)


def _require_plan(state: PortfolioState, name: PortfolioMessageName, plan_id: str | None) -> None:
    known = [each.plan_id for each in state.plans]
    if plan_id not in known:
        hint = nearest(plan_id or "", known)
        text = f"it has no plan {plan_id!r}; {hint}" if plan_id else f"name its plan; {hint}"
        raise MessageRejected(text, RefusalCode.UNKNOWN_WAVE)
    member = state.member(plan_id)
    is_allowed, otherwise = _ALLOWED[name]
    if not is_allowed(member):
        text = otherwise.format(plan=plan_id, execution=member.current_execution_id or "…")
        text = f"{member.plan_name} is {member.status}: {text}"
        raise MessageRejected(text, RefusalCode.WAVE_STATUS)


def possible_messages(
    state: PortfolioState, plan_id: str | None = None
) -> list[PortfolioMessageName]:
    """What may be sent now about a plan of a portfolio; without one, about the portfolio."""
    message = PortfolioMessage(plan=plan_id)

    def is_allowed(name: PortfolioMessageName) -> bool:
        try:
            require_allowed(state, name, message)
        except MessageRejected:
            return False
        return True

    about = [each for each in PortfolioMessageName if each.is_about_a_plan is (plan_id is not None)]
    return [each for each in about if is_allowed(each)]


class PortfolioMessageHandler:
    """Handles operators' messages to one execution, and records each."""

    def __init__(self, scheduler: PortfolioScheduler) -> None:
        self._scheduler = scheduler
        self._nonces: set[str] = set()

    def check(self, name: str, fields: Any) -> tuple[PortfolioMessageName, PortfolioMessage]:
        """Read a message, and check that it would be accepted now.

        Raises:
            MessageRejected: it would not.
        """
        if name not in list(PortfolioMessageName):
            hint = nearest(name, list(PortfolioMessageName))
            raise MessageRejected(f"unknown message {name!r}; {hint}", RefusalCode.UNKNOWN_MESSAGE)
        known = PortfolioMessageName(name)
        try:
            message = PortfolioMessage.model_validate({} if fields is None else fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise MessageRejected(f"{name}: {place}: {first['msg']}".replace(": :", ":")) from None
        require_allowed(self._scheduler.state, known, message)
        return known, message

    def handle(
        self, name: str, fields: Any, *, now: float, verdict: MessageVerdict | None = None
    ) -> PortfolioMessageRecord:
        """Handle a message, and record it even if it is rejected.

        Args:
            name: the message's name, known or not.
            fields: its input.
            now: epoch seconds.
            verdict: a worker's about its signature; None if nobody asked for one.
        """
        verdict = verdict or MessageVerdict()
        message: PortfolioMessage | None = None
        refusal: RefusalCode | None = None
        try:
            known, message = self.check(name, fields)
            self._require_verified(known, verdict)
            effect = self._apply(known, message, now=now)
        except MessageRejected as rejected:
            effect, refusal = str(rejected), rejected.code
        actor = fields.get("Actor", fields.get("actor")) if isinstance(fields, dict) else None
        record = PortfolioMessageRecord(
            name=shortened(name, max_bytes=100),
            plan_id=message.plan if message else None,
            actor=message.actor if message else shortened(str(actor or "unknown"), max_bytes=100),
            actor_verified=verdict.verified_actor is not None,
            break_glass=verdict.break_glass,
            time=now,
            reason=message.reason if message else "",
            accepted=refusal is None,
            refusal=refusal,
            effect=effect,
        )
        self._keep(record, now=now)
        return record

    def record_cancellation(self, text: str, *, now: float) -> PortfolioMessageRecord:
        """Record the cancellation, which is a request to Temporal; `text` is its reason."""
        actor, reason = read_cancel_reason(text)
        record = PortfolioMessageRecord(
            name=CANCEL_EXECUTION,
            actor=shortened(actor, max_bytes=100),
            time=now,
            reason=shortened(reason),
            accepted=True,
            effect="nothing new is started; the executions that it started are cancelled: they "
            "launch nothing new, and jobs that run in DRS go on",
        )
        self._keep(record, now=now)
        return record

    def _keep(self, record: PortfolioMessageRecord, *, now: float) -> None:
        messages = self._scheduler.state.messages
        if len(messages) < _MAX_RECORDS:
            messages.append(record)
        elif record.accepted:
            messages[-1] = record
        self._scheduler.touch(now)

    def _require_verified(self, name: PortfolioMessageName, verdict: MessageVerdict) -> None:
        if verdict.refusal is not None:
            raise MessageRejected(verdict.reason, RefusalCode.NOT_AUTHORIZED)
        role = required_role(name)
        if verdict.verified_actor is not None and not role.is_among(verdict.roles):
            text = f"{verdict.verified_actor} lacks the role {role}"
            raise MessageRejected(text, RefusalCode.ROLE_MISSING)
        if verdict.nonce is None:
            return
        if verdict.nonce in self._nonces:
            text = "the same signed message had its effect before"
            raise MessageRejected(text, RefusalCode.REPLAYED)
        self._nonces.add(verdict.nonce)

    def _apply(self, name: PortfolioMessageName, message: PortfolioMessage, *, now: float) -> str:
        state = self._scheduler.state
        by = OperatorDecision(actor=message.actor, time=now, reason=message.reason)
        match name:
            case PortfolioMessageName.PAUSE:
                state.status, state.status_reason = PlanStatus.PAUSED, f"Paused by {by}"
                effect = "no further plan is started; executions that run go on"
            case PortfolioMessageName.RESUME:
                state.status, state.status_reason = PlanStatus.IN_PROGRESS, ""
                effect = "plans are started again"
            case _:
                effect = self._apply_to(name, state.member(message.plan or ""), by)
        self._scheduler.update()
        return effect

    def _apply_to(
        self, name: PortfolioMessageName, member: MemberState, by: OperatorDecision
    ) -> str:
        match name:
            case PortfolioMessageName.SKIP_PLAN:
                member.skipped_by = by
                return f"{member.plan_name} is not started; what depends on it starts without it"
            case PortfolioMessageName.START_PLAN:
                member.released_by, member.skipped_by = by, None
                when = "now"
                if self._scheduler.state.status is PlanStatus.PAUSED:
                    when = "once the portfolio is resumed"
                return f"{member.plan_name} starts {when}, whatever it depends on"
            case _:
                member.accepted_by = by
                return f"what depends on {member.plan_name} starts; it stays {member.status}"

"""Approvals of real recoveries and of waves: who must give them, and whose count."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Grant,
    MessageSubject,
    StartSubject,
)
from recovery.access.roles import Role
from recovery.execution.state import ExecutionState, ExecutionType, rules_of
from recovery.operator.messages import (
    MessageName,
    MessageRejected,
    OperatorMessage,
    read_message,
)
from recovery.plan.members import tags_text
from recovery.plan.model import RecoveryPlan, Wave
from recovery.text_format import count, listed

# Temporal's clock and the signer's may differ.
_SKEW_SECONDS = 300.0


@dataclass(frozen=True)
class Approval:
    """A signed approval that a plan's workflow accepted.

    Attributes:
        grant: its signature is verified.
        accepted_time: when it was accepted, by that workflow (epoch seconds).
    """

    grant: Grant
    accepted_time: float

    @cached_property
    def message(self) -> OperatorMessage | None:
        """What was signed, as its execution reads it; None if it is no message."""
        subject = self.grant.subject
        if not isinstance(subject, MessageSubject):
            return None
        try:
            return read_message(MessageName(subject.name), (subject.fields,))
        except (MessageRejected, ValueError):
            return None

    def is_valid(self, name: MessageName, execution_id: str) -> bool:
        """Whether it is an approver's, of this execution, and was accepted before it expired."""
        grant, message = self.grant, self.message
        return (
            message is not None
            and (message.name, message.approve) == (name, True)
            and grant.subject.execution_id == execution_id
            and (grant.break_glass is not None or Role.APPROVER.is_among(grant.roles))
            and grant.issued_time - _SKEW_SECONDS <= self.accepted_time <= grant.expires_time
        )

    def approves(self, wave: Wave, plan: RecoveryPlan, *, started: float) -> bool:
        """Whether it approves a wave, and was valid when the wave was started (epoch seconds)."""
        message = self.message
        seconds = message.expires_in_seconds if message else None
        if seconds is not None and started > self.accepted_time + seconds + _SKEW_SECONDS:
            return False
        return message is not None and plan.names_wave(message.wave or "", wave.wave_id)


def weakens_approvals(old: RecoveryPlan, new: RecoveryPlan) -> list[str]:
    """Which approvals of a plan another version of it no longer asks for; empty if none."""
    before, after = old.recovery, new.recovery
    found = []
    if after.approvers < before.approvers:
        found.append(f"Recovery Approvers {before.approvers} → {after.approvers}")
    if after.author_may_start and not before.author_may_start:
        found.append("Recovery AuthorMayStart false → true")
    if after.starter_may_approve and not before.starter_may_approve:
        found.append("Recovery StarterMayApprove false → true")
    approved = {w.wave_id: _content(w) for w in old.waves if w.approval_required}
    others = (_content(w) for w in old.waves if not w.approval_required)
    content = set[str]().union(*approved.values()).difference(*others)
    found += [
        f"wave {wave.wave_id} without ApprovalRequired"
        for wave in new.waves
        # Its servers and steps may be in a wave of another name now.
        if not wave.approval_required and (wave.wave_id in approved or content & _content(wave))
    ]
    return found


def _content(wave: Wave) -> set[str]:
    """What a wave has an effect on: its servers, and what its steps do."""
    acts = {step.spec.model_dump_json() for _, step in wave.all_steps if step.kind.acts}
    if wave.servers_by_tag is not None:
        # Its servers are looked up at each start.
        return acts | {f"tags {tags_text(wave.servers_by_tag)} in {wave.region}"}
    return acts.union(wave.server_ids)


def passed_by_break_glass(plan: RecoveryPlan, execution_type: ExecutionType) -> list[str]:
    """What a start by break-glass passes."""
    rules = rules_of(plan, execution_type)
    found = [f"{count(rules.approvers, 'approval')} of the recovery"] if rules.approvers else []
    if not rules.author_may_start:
        found.append("the bar on the plan's author")
    if waves := [wave.wave_name for wave in plan.waves if wave.approval_required]:
        found.append(f"the approval of {listed(waves)}")
    return found


def needs_verified_sender(state: ExecutionState, message: OperatorMessage) -> bool:
    """Whether a message counts only if its sender is verified."""
    if message.name is MessageName.APPROVE_RECOVERY:
        return True
    return state.has_recovery_rules and message.name is MessageName.APPROVE_WAVE


def is_barred_starter(state: ExecutionState, message: OperatorMessage) -> bool:
    """Whether a message is an approval that the starter of its execution may not give."""
    if message.actor != state.started_by or not message.approve:
        return False
    if message.name is MessageName.APPROVE_RECOVERY:
        return True
    return message.name is MessageName.APPROVE_WAVE and not state.starter_may_approve


def require_approvals(
    start: Grant,
    plan: RecoveryPlan,
    wave: Wave,
    approvals: Sequence[Approval],
    *,
    started: float,
) -> None:
    """Refuse to launch a wave without the approvals that its plan asks for.

    Args:
        start: the signed start.
        plan: the plan with the signed hash.
        wave: the wave.
        approvals: those that came with the launch.
        started: when the wave's workflow was started, by Temporal (epoch seconds).

    Raises:
        AccessRefusedError: an approval is missing.
    """
    subject = start.subject
    if start.break_glass is not None or not isinstance(subject, StartSubject):
        return
    rules, execution_id = rules_of(plan, subject.execution_type), subject.execution_id
    given = [a.grant for a in approvals if a.is_valid(MessageName.APPROVE_RECOVERY, execution_id)]
    people = {grant.actor for grant in given} - {start.actor}
    if len(people) < rules.approvers and not any(grant.break_glass for grant in given):
        raise AccessRefusedError(
            AccessCode.APPROVAL_NOT_SIGNED,
            f"{len(people)} of {count(rules.approvers, 'signed approval')} of the recovery came "
            "with the launch; send approve-recovery",
        )
    if wave.approval_required and not any(
        each.is_valid(MessageName.APPROVE_WAVE, execution_id)
        and each.approves(wave, plan, started=started)
        and (rules.starter_may_approve or each.grant.break_glass or each.grant.actor != start.actor)
        for each in approvals
    ):
        raise AccessRefusedError(
            AccessCode.APPROVAL_NOT_SIGNED,
            f"no signed approval of {wave.wave_name} came with the launch; send approve-wave",
        )

"""Roles: what a person may do."""

from collections.abc import Collection
from enum import StrEnum

from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.operator.effects import skipped_with
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import waves_called


class Role(StrEnum):
    """What a caller of the API may do."""

    VIEWER = "viewer"
    """Read everything."""
    OPERATOR = "operator"
    """Register plans, start and steer executions, clean up after drills."""
    APPROVER = "approver"
    """Approve and refuse recoveries and waves, and skip waves that need an approval."""
    ADMIN = "admin"
    """Everything, including requests that destroy live recovery instances."""

    def is_among(self, roles: Collection[str]) -> bool:
        """Whether these roles include this one; an admin has every role."""
        return self is Role.VIEWER or self in roles or Role.ADMIN in roles


def role_for(
    state: ExecutionState | None, message: OperatorMessage, held: Collection[str] = ()
) -> Role:
    """The role that sends a message to an execution; where several do, the one that is held.

    A person who skips a wave that nobody has approved passes its approval. An approver may
    acknowledge what waits for an approval.

    Args:
        state: the execution; None: as if it had whatever makes a difference.
        message: the message.
        held: the roles of its sender, as far as known.
    """
    if message.name is MessageName.ACKNOWLEDGE:
        awaits = state is None or any(d.kind.is_approval for d in state.open_decisions)
        possible = (Role.OPERATOR, Role.APPROVER) if awaits else (Role.OPERATOR,)
        return next((role for role in possible if role.is_among(held)), Role.OPERATOR)
    if message.name in (MessageName.APPROVE_WAVE, MessageName.APPROVE_RECOVERY):
        return Role.APPROVER
    if message.name is MessageName.SKIP_WAVE:
        if state is None:
            return Role.APPROVER
        found = waves_called(state, message.wave or "")
        skipped = [w for each in found for w in _skipped(state, each, cascade=message.cascade)]
        if any(w.approval_required and w.decisions.approved_by is None for w in skipped):
            return Role.APPROVER
    return Role.OPERATOR


def role_to_undo(execution_type: ExecutionType) -> Role:
    """The role that undoes what an execution did.

    It terminates its instances, or puts back what its steps replaced.
    """
    return Role.ADMIN if execution_type is ExecutionType.RECOVERY else Role.OPERATOR


def _skipped(state: ExecutionState, wave: WaveState, *, cascade: bool) -> list[WaveState]:
    return skipped_with(state, wave) if cascade else [wave]

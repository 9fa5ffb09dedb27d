"""The role that sends a message."""

import pytest

from recovery.access.roles import Role, role_for
from recovery.execution.state import ExecutionState
from recovery.execution.wave import OperatorDecision, WaitingFor
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.pending_decisions import update_open_decisions
from tests.recovery.operator.test_message_handler import NOW, execution


def skip(state: ExecutionState | None, wave: str, *, cascade: bool = False) -> Role:
    """The role that skips a wave."""
    return role_for(state, OperatorMessage(MessageName.SKIP_WAVE, wave, cascade=cascade))


def test_a_skip_of_what_nobody_has_approved_is_an_approvers() -> None:
    scheduler = execution(approval=True)
    state = scheduler.state
    assert skip(state, "it") is skip(state, "IT") is Role.APPROVER
    assert skip(state, "first") is skip(state, "after", cascade=True) is Role.OPERATOR
    assert skip(state, "first", cascade=True) is Role.APPROVER
    assert skip(None, "first") is Role.APPROVER
    scheduler.decide("it", now=NOW, approved_by=OperatorDecision(actor="ann", time=NOW))
    assert skip(state, "it") is skip(state, "first", cascade=True) is Role.OPERATOR


@pytest.mark.parametrize("name", MessageName)
def test_approvals_are_of_approvers_and_all_other_messages_of_operators(name: MessageName) -> None:
    is_approval = name in (MessageName.APPROVE_WAVE, MessageName.APPROVE_RECOVERY)
    expected = Role.APPROVER if is_approval else Role.OPERATOR
    assert role_for(execution().state, OperatorMessage(name, "first")) is expected


def test_whoever_may_approve_may_say_that_they_take_care_of_an_approval() -> None:
    scheduler = execution(approval=True)
    acknowledge = OperatorMessage(MessageName.ACKNOWLEDGE)

    def may(*roles: Role) -> bool:
        return role_for(scheduler.state, acknowledge, roles).is_among(roles)

    scheduler.pause("Paused", now=NOW)
    update_open_decisions(scheduler.state, now=NOW)
    assert [may(role) for role in Role] == [False, True, False, True], "an operator resumes"
    scheduler.resume(now=NOW)
    scheduler.wave("it").waiting_for = WaitingFor.APPROVAL
    update_open_decisions(scheduler.state, now=NOW)
    assert [may(role) for role in Role] == [False, True, True, True]
    assert role_for(None, acknowledge, [Role.APPROVER]) is Role.APPROVER


@pytest.mark.parametrize(
    ("role", "roles", "is_among"),
    [
        (Role.APPROVER, ["approver"], True),
        (Role.APPROVER, ["operator"], False),
        (Role.APPROVER, ["admin"], True),
        (Role.VIEWER, [], True),
    ],
)
def test_an_admin_has_every_role(role: Role, roles: list[str], is_among: bool) -> None:
    assert role.is_among(roles) is is_among

"""Which roles callers need."""

from http import HTTPStatus

from api.auth.tokens import Principal
from api.problems import ApiProblem
from recovery.access.roles import Role
from recovery.operator.messages import MessageName


def role_for(message: MessageName) -> Role:
    """The role that sends a message."""
    return Role.APPROVER if message is MessageName.APPROVE_WAVE else Role.OPERATOR


def require(caller: Principal, role: Role) -> None:
    """Refuse a caller without a role.

    Raises:
        ApiProblem: the caller does not have the role.
    """
    if not caller.may(role):
        raise ApiProblem(
            HTTPStatus.FORBIDDEN,
            f"{caller.subject} lacks the role {role}",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )

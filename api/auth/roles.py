"""Checks the roles of callers."""

from http import HTTPStatus

from api.auth.tokens import Principal
from api.problems import ApiProblem
from settings import Role


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

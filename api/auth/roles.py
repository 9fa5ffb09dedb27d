"""What a caller needs a role for."""

from http import HTTPStatus

from api.auth.tokens import Principal
from api.problems import ApiProblem
from settings import Role


def require(caller: Principal, role: Role) -> None:
    """Refuse a caller that has not got a role.

    Raises:
        ApiProblem: it has not.
    """
    if not caller.may(role):
        raise ApiProblem(
            HTTPStatus.FORBIDDEN,
            f"{caller.subject} lacks the role {role}",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )

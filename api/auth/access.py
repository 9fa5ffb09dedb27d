"""Dependencies of endpoints: the service, the caller and its role."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth.roles import require
from api.auth.tokens import Principal
from api.service import ExecutionService
from recovery.access.roles import Role

_BEARER = HTTPBearer(auto_error=False, description="A static token, or a JWT of the issuer.")


def service_of(request: Request) -> ExecutionService:
    """The execution service of the application."""
    service: ExecutionService = request.app.state.service
    return service


async def caller_of(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> Principal:
    """Authenticate the caller.

    Raises:
        NotAuthenticatedError: the token is missing or not valid.
    """
    return await service_of(request).authenticator.authenticate(
        credentials.credentials if credentials else None
    )


Service = Annotated[ExecutionService, Depends(service_of)]
Caller = Annotated[Principal, Depends(caller_of)]


def in_role(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency that refuses callers with none of the roles, before the body is validated."""

    async def authorized(caller: Caller) -> Principal:
        require(caller, *roles)
        return caller

    return authorized


Operator = Annotated[Principal, Depends(in_role(Role.OPERATOR))]

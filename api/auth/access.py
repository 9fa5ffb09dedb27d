"""How endpoints know who calls, and what they need to serve them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.auth.roles import require
from api.auth.tokens import Principal
from api.service import House
from settings import Role

_BEARER = HTTPBearer(auto_error=False, description="A static token, or a JWT of the issuer.")


def house_of(request: Request) -> House:
    """The house that serves a request."""
    house: House = request.app.state.house
    return house


async def caller_of(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> Principal:
    """Who calls.

    Raises:
        NotAuthenticatedError: nobody that is known.
    """
    return await house_of(request).gate.admit(credentials.credentials if credentials else None)


TheHouse = Annotated[House, Depends(house_of)]
Caller = Annotated[Principal, Depends(caller_of)]


def _in_role(role: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """Who calls, refused before anything that was sent is looked at if the role is lacking."""

    async def checked(caller: Caller) -> Principal:
        require(caller, role)
        return caller

    return checked


Operator = Annotated[Principal, Depends(_in_role(Role.OPERATOR))]
Approver = Annotated[Principal, Depends(_in_role(Role.APPROVER))]

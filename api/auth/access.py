"""Authenticates the callers of endpoints, before their bodies are read, and checks their roles."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from api.auth.rate_limits import address_of
from api.auth.roles import require
from api.auth.tokens import Principal
from api.service import ExecutionService
from recovery.access.roles import Role

_BEARER = HTTPBearer(auto_error=False, description="A static token, or a JWT of the issuer.")


def service_of(request: Request) -> ExecutionService:
    """The execution service of the application."""
    service: ExecutionService = request.app.state.service
    return service


@dataclass(frozen=True)
class InRole:
    """A dependency: the caller of an `AuthenticatedRoute`, who has one of the roles."""

    roles: tuple[Role, ...]

    # `_BEARER` is for the OpenAPI document.
    async def __call__(self, request: Request, _: Annotated[Any, Depends(_BEARER)]) -> Principal:
        """The caller, as the route has authenticated it."""
        return cast(Principal, request.state.caller)


Service = Annotated[ExecutionService, Depends(service_of)]
Caller = Annotated[Principal, Depends(InRole((Role.VIEWER,)))]
Operator = Annotated[Principal, Depends(InRole((Role.OPERATOR,)))]


class AuthenticatedRoute(APIRoute):
    """An endpoint that only a caller with its role reaches.

    FastAPI reads and parses a body before it calls dependencies. Of a caller without a valid token
    or without the role nothing is read.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        handle = super().get_route_handler()
        dependencies = [each.call for each in self.dependant.dependencies]
        needed = [call.roles for call in dependencies if isinstance(call, InRole)]

        async def authenticated(request: Request) -> Response:
            credentials = await _BEARER(request)
            caller = await service_of(request).authenticator.authenticate(
                credentials.credentials if credentials else None, address_of(request)
            )
            for roles in needed:
                require(caller, *roles)
            request.state.caller = caller
            return await handle(request)

        return authenticated

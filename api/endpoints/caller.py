"""The caller and its roles."""

from fastapi import APIRouter

from api.auth.access import AuthenticatedRoute, Caller, Service
from recovery.access.roles import Role
from recovery.base_model import Model

router = APIRouter(tags=["Caller"], route_class=AuthenticatedRoute)


class Me(Model):
    """The caller of the request.

    Attributes:
        subject: the name that the history records as the actor.
        roles: the caller's roles; every caller is a viewer.
        expires_time: when the token ends (epoch seconds); null if it does not.
        is_open: no authentication is configured, so every caller is this machine's user.
    """

    subject: str
    roles: list[Role]
    expires_time: float | None = None
    is_open: bool


@router.get("/me", summary="Get the caller and its roles")
async def me(service: Service, caller: Caller) -> Me:
    """Return the subject and the roles of the token."""
    roles = [role for role in Role if caller.may(role)]
    return Me(
        subject=caller.subject,
        roles=roles,
        expires_time=caller.expiry_time,
        is_open=service.authenticator.is_open,
    )

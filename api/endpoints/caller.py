"""Who the caller is."""

from fastapi import APIRouter

from api.auth.access import Caller, TheHouse
from api.problem_responses import looking
from recovery.base_model import Model
from settings import Role

router = APIRouter(tags=["Caller"])


class Me(Model):
    """Who calls.

    Attributes:
        subject: the name that the history keeps as the actor.
        roles: what the caller has; everybody may look.
        is_open: no authentication is configured, so every caller is this machine's user.
    """

    subject: str
    roles: list[Role]
    is_open: bool


@router.get("/me", summary="Who I am and what I may do", responses=looking())
async def me(house: TheHouse, caller: Caller) -> Me:
    """The caller, by its token."""
    roles = [role for role in Role if caller.may(role)]
    return Me(subject=caller.subject, roles=roles, is_open=house.gate.is_open)

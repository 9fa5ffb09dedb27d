"""What callers may do by their roles, and as authors of plans."""

from http import HTTPStatus

from api.auth.tokens import Principal
from api.problems import ApiProblem
from recovery.access.approvals import weakens_approvals
from recovery.access.roles import Role
from recovery.plan.model import RecoveryPlan
from storage.plans import RegisteredPlan


def require(caller: Principal, *roles: Role, what: str = "") -> None:
    """Refuse a caller who has none of these roles.

    Args:
        caller: the caller.
        roles: the roles.
        what: what takes them; empty if the request says it.

    Raises:
        ApiProblem: the caller does not have them.
    """
    if not any(caller.may(role) for role in roles):
        needed = f"lacks the role {' or '.join(roles)}"
        raise ApiProblem(
            HTTPStatus.FORBIDDEN,
            f"{what}: {caller.subject} {needed}" if what else f"{caller.subject} {needed}",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )


def require_starter(caller: Principal, plan: RecoveryPlan, newest: RegisteredPlan | None) -> None:
    """Refuse a recovery by the plan's author, or with less approval than its newest version needs.

    Args:
        caller: who starts it.
        plan: the version of the plan that runs.
        newest: the newest version; None if none is registered.

    Raises:
        ApiProblem: the caller may not start it.
    """
    if newest is None:
        return
    if weaker := weakens_approvals(newest.plan, plan):
        what = f"nothing was started: version {newest.version.version} needs more approval"
        require(caller, Role.APPROVER, what=f"{what} than this plan ({weaker[0]})")
    may_start = plan.recovery.author_may_start and newest.plan.recovery.author_may_start
    if not may_start and caller.subject in newest.version.authors:
        raise ApiProblem(
            HTTPStatus.FORBIDDEN,
            f"nothing was started: {caller.subject} wrote version {newest.version.version} "
            f"of {plan.plan_id}, whose author may not start a real RECOVERY (AuthorMayStart); "
            "another operator must start it",
        )

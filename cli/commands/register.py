"""`register`: stores plans where the API and the pages find them."""

import asyncio
from collections.abc import Sequence

from cli.commands.validate import Json, PlanFiles, read_all
from cli.render.output import show, step, write_json
from client.recoveries.chosen import recoveries
from recovery.plan.model import RecoveryPlan
from recovery.text_format import count
from storage.plans import PlanVersion


class RegisteredPlanVersion(PlanVersion):
    """A registered version.

    Attributes:
        is_new: False if the newest version was the same.
    """

    is_new: bool

    @classmethod
    def of(cls, version: PlanVersion, is_new: bool) -> "RegisteredPlanVersion":
        """Describe the result of a registration."""
        return cls(**dict(version), is_new=is_new)


def register(plans: PlanFiles, json: Json = False) -> None:
    """Store plans in DynamoDB for the API and the pages.

    Each file becomes the newest version of its plan, unless it is the same as
    the newest version. If one file is wrong, none is stored. Running executions
    do not change.

    \b
    Examples:
      drs-waves register crm.yaml
      drs-waves register plans/*.yaml --json
    \b
    Exit codes: 0 all are registered, 2 a plan is wrong, or DynamoDB refuses,
    5 DynamoDB cannot be reached.
    """
    read = [each.plan for each in read_all(plans)]
    with step("Registering"):
        registered = asyncio.run(_register(read))
    if json:
        write_json([RegisteredPlanVersion.of(*each) for each in registered])
    else:
        show(*(_line(version, is_new=is_new) for version, is_new in registered))


async def _register(plans: Sequence[RecoveryPlan]) -> list[tuple[PlanVersion, bool]]:
    """Register plans; returns each one's newest version and whether it is new."""
    async with recoveries() as known:
        return await known.register(plans)


def _line(version: PlanVersion, *, is_new: bool) -> str:
    size = f"{count(version.waves, 'wave')}, {count(version.servers, 'server')}"
    result = "is registered" if is_new else f"is registered already, by {version.author}"
    hash_ = version.plan_hash[:12]
    return f"{version.plan_id}: version {version.version} {result} ({size}; {hash_})"

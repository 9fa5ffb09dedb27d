"""A look at a plan by the activities alone, as the workflow does it."""

from activities.readiness.readiness_activities import ReadinessActivities
from activities.readiness.surroundings import SurroundingsActivities
from aws.regions import DependencyRegions
from aws.targets import TargetClients
from contract.readiness import Readiness, SurroundingsLook, TargetLook
from recovery.notify.channels import Channel
from recovery.plan.model import RecoveryPlan
from recovery.readiness.planned_target import looked_at, part_of
from settings import Settings
from storage.history import HistoryTable
from tests.aws_in_process import Attempt, Temporal


async def readiness_of(
    plan: RecoveryPlan,
    settings: Settings,
    history: HistoryTable | None = None,
    dependencies: DependencyRegions | None = None,
    *,
    channels: list[Channel] | None = None,
    clients: TargetClients | None = None,
    is_fresh: bool = True,
) -> Readiness:
    """What a look at a plan finds, by a worker of its own."""
    clients = clients or TargetClients(settings)
    around = SurroundingsActivities(
        clients, settings, dependencies or DependencyRegions(), history, channels or []
    )
    activities = ReadinessActivities(clients)
    targets = [
        await Attempt(Temporal()).run(
            activities.look_at_target,
            TargetLook(plan=part_of(plan, each), target=each, is_fresh=is_fresh),
        )
        for each in looked_at(plan)
    ]
    origins = sorted({origin for target in targets for origin in target.origins})
    surroundings = await Attempt(Temporal()).run(
        around.look_at_surroundings, SurroundingsLook(plan=plan, origins=origins)
    )
    return Readiness.of(plan, targets, surroundings, looked_time=0.0)

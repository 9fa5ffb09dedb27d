"""How far launch settings are applied."""

from recovery.launch_settings.report import (
    AppliedServer,
    AppliedStatus,
    ApplyState,
    ApplyStatus,
    wanted_servers,
)
from recovery.plan.model import Target
from tests.recovery.launch_settings.settings import PRODUCTION, plan_of_one, wanted


def applied(*statuses: AppliedStatus) -> ApplyState:
    state = ApplyState(
        plan_id="crm", plan_hash="0", actor="ana", start_time=1.0, server_count=len(statuses)
    )
    state.add(
        [
            AppliedServer(wave_id="w", source_server_id=f"s-{n}", region="us-west-2", status=each)
            for n, each in enumerate(statuses)
        ]
    )
    state.end(2.0)
    return state


def test_it_is_completed_if_every_server_has_what_the_plan_wants() -> None:
    state = applied(AppliedStatus.APPLIED, AppliedStatus.UNCHANGED)
    assert (state.status, state.done, state.unchanged) == (ApplyStatus.COMPLETED, 2, 1)
    assert [each.source_server_id for each in state.servers] == ["s-0"]


def test_a_server_that_is_left_alone_makes_it_fail() -> None:
    assert applied(AppliedStatus.APPLIED, AppliedStatus.REFUSED).status is ApplyStatus.FAILED
    assert applied(AppliedStatus.FAILED).status is ApplyStatus.FAILED


def test_only_servers_with_settings_are_wanted_each_in_its_target() -> None:
    plain, *_ = plan_of_one()
    assert wanted_servers(plain) == {}
    named, *_ = plan_of_one({"LaunchSettings": {"SubnetId": PRODUCTION}})
    ((target, (server,)),) = wanted_servers(named).items()
    assert target == Target(region="us-west-2")
    assert server.settings == wanted(SubnetId=PRODUCTION)

"""What differs between two plans, a line each."""

from recovery.plan.diff import differences
from recovery.plan.model import Dependency, RecoveryRules, Server
from recovery.steps.model import StepKind
from tests.cli.executions import CHAIN, plan_of, server_id
from tests.recovery.launch_settings.settings import DRILL, PRODUCTION, plan_of_one
from tests.recovery.step_plans import DB, plan_with_steps, read, step


def test_the_same_plan_has_no_differences() -> None:
    assert differences(CHAIN, CHAIN.model_copy(deep=True)) == []


def test_each_difference_of_a_plan_is_a_line() -> None:
    after = plan_of({"Database": [], "App": ["Database"], "Cache": []})
    database, app, cache = after.waves
    cache.wave_id, after.deadline_seconds, app.timeout_seconds = "cache", 600.0, 60.0
    app.dependencies.append(Dependency(depends_on_wave_id="cache"))
    moved = database.servers.pop()
    app.servers = [moved, app.servers[0], Server(source_server_id=server_id(77))]
    assert differences(CHAIN, after, keeps_instances=True) == [
        "~ plan: DeadlineSeconds 86400 → 600",
        "- wave Web (w2), with its servers",
        "~ wave App (w1): TimeoutSeconds 3600 → 60",
        "~ wave App (w1): Dependencies w0 → w0, cache",
        "+ wave Cache (cache): 2 servers",
        "~ server s-00000000000000001: moved from Database (w0) to App (w1)",
        f"+ server {server_id(77)} in App (w1)",
        "~ server s-00000000000000004: moved from Web (w2) to Cache (cache)",
        "~ server s-00000000000000005: moved from Web (w2) to Cache (cache)",
        "- server s-00000000000000003 of App (w1); its instance is kept",
    ]
    # A version that was registered has no instances.
    assert differences(CHAIN, after)[-1] == "- server s-00000000000000003 of App (w1)"


def test_rules_about_a_recovery_are_compared_one_by_one() -> None:
    rules = RecoveryRules(approvers=2, author_may_start=False)
    after = CHAIN.model_copy(update={"recovery": rules})
    assert differences(CHAIN, after) == [
        "~ plan: Recovery Approvers 0 → 2",
        "~ plan: Recovery AuthorMayStart true → false",
    ]


def test_steps_are_compared_one_by_one() -> None:
    manual, tcp = step(StepKind.MANUAL, "stop"), step(StepKind.TCP, "up")
    later = step(StepKind.LAMBDA, "later")
    before = read(plan_with_steps([tcp, later], before=[manual]))
    tcp = tcp | {"TimeoutSeconds": 60, "Tcp": {"Port": 22, "Servers": [DB]}}
    added = step(StepKind.DNS, "dns", When="RECOVERY")
    after = read(plan_with_steps([later, tcp, manual, added], cutover=[added]))
    assert differences(before, after) == [
        "~ step up of db: TimeoutSeconds 600 → 60",
        '~ step up of db: Tcp.Servers (none) → ["s-00000000000000001"]',
        "~ step up of db: Tcp.Port 5432 → 22",
        "~ step up of db: Tcp.From s-00000000000000001 → (none)",
        "~ step stop of db: moved, after launch",
        "+ step dns of db, after launch: Dns, in a RECOVERY only",
        "~ wave db: order of steps stop, up, later → later, up, stop, dns",
        "+ wave cutover: 1 step, after db",
    ]
    assert differences(after, before)[0] == "- wave cutover, with its steps"
    kind = read(plan_with_steps([step(StepKind.ALARM, "up"), later], before=[manual]))
    assert "~ step up of db: Tcp → Alarm" in differences(before, kind)


def test_launch_settings_are_compared_one_by_one() -> None:
    before, *_ = plan_of_one(
        {"LaunchSettings": {"SubnetId": PRODUCTION}},
        server={"LaunchSettings": {"Tags": {"a": "b"}}},
    )
    after, *_ = plan_of_one(
        {"LaunchSettings": {"SubnetId": PRODUCTION, "RecoveryMode": "FAST"}},
        {"LaunchSettings": {"CopyPrivateIp": False}},
    )
    assert differences(before, after) == [
        "~ plan: LaunchSettings.RecoveryMode (none) → FAST",
        "~ wave db: LaunchSettings.CopyPrivateIp (none) → false",
        '~ server s-00000000000000001: LaunchSettings.Tags {"a": "b"} → (none)',
    ]


def test_a_plan_that_no_longer_isolates_its_drills_says_so() -> None:
    isolated, *_ = plan_of_one({"DrillLaunchSettings": {"SubnetId": DRILL}})
    plain, *_ = plan_of_one()
    assert differences(isolated, plain) == [
        f"~ plan: DrillLaunchSettings.SubnetId {DRILL} → (none)",
        "~ plan: drills no longer isolate s-00000000000000001",
    ]
    assert len(differences(plain, isolated)) == 1

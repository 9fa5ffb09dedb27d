"""Every screen says where a drill is isolated, and whether its launch templates are as before."""

from api.pages.execution.execution_renderer import summary as page_summary
from api.pages.rendering import render
from cli.live.changes import changes
from cli.live.view import WatchedExecution
from cli.render.summary import summary
from cli.render.tables import execution_lines
from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.launch_settings.isolation import isolation_lines
from recovery.launch_settings.model import LaunchSettings
from recovery.launch_settings.network import LaunchNetwork
from recovery.notify.event_kind import EventKind
from recovery.notify.execution_events import ExecutionEvents
from recovery.plan.model import RecoveryPlan
from tests.cli.live.test_view import drawn
from tests.recovery.launch_settings.settings import DRILL
from tests.recovery.plans import diamond

START = 1_764_158_400.0
SETTINGS = LaunchSettings(subnet_id=DRILL)


def isolated_plan() -> RecoveryPlan:
    return diamond().model_copy(update={"drill_launch_settings": SETTINGS})


def drill(
    plan: RecoveryPlan | None = None, *, after: int | None = 3, kind: str = "DRILL"
) -> ExecutionState:
    """An execution of four servers, whose templates were read with this default after it."""
    state = ExecutionState.begin(
        plan or isolated_plan(),
        execution_id="crm-1",
        execution_type=ExecutionType(kind),
        started_by="ops",
        now=START,
    )
    for number, server in enumerate([s for wave in state.waves for s in wave.servers]):
        server.launch_status = LaunchStatus.LAUNCHED
        server.network = LaunchNetwork(
            template_id=f"lt-{number}",
            version_before=3,
            version_during=4,
            version_after=3 if number else after,
        )
    return state


def test_it_names_the_subnet_and_says_that_all_is_put_back() -> None:
    assert isolation_lines(drill()) == [
        f"drill isolated in {DRILL}",
        "4 launch templates put back as before the drill",
    ]


def test_it_names_what_is_not_put_back_or_not_known() -> None:
    state = drill(after=None)
    state.end_time = START + 600
    assert "3 of 4 launch templates put back" in isolation_lines(state)[1]
    assert "1 not read since the drill's launch: s-" in isolation_lines(state)[1]
    assert "launch-settings restore" in isolation_lines(state)[1]
    assert "1 with the drill's version when last read" in isolation_lines(drill(after=4))[1]
    assert "1 with another version" in isolation_lines(drill(after=7))[1]


def test_what_the_clean_up_compared_counts_more_than_what_the_drill_saw() -> None:
    state = drill(after=None)
    state.cleanup = CleanupState(
        execution_id="crm-1",
        status=CleanupStatus.COMPLETED,
        actor="ops",
        start_time=START,
        end_time=START + 9,
    )
    assert isolation_lines(state)[1] == (
        "4 launch templates as before the drill, compared by the clean-up"
    )
    state.cleanup.differences = ["the default of lt-0 is version 4"]
    assert isolation_lines(state)[1].startswith("NOT as before the drill")


def test_waves_that_are_not_isolated_are_named() -> None:
    plan = diamond()
    database = plan.waves[0].model_copy(update={"drill_launch_settings": SETTINGS})
    state = drill(plan.model_copy(update={"waves": [database, *plan.waves[1:]]}))
    (where, _) = isolation_lines(state)
    assert where.startswith(f"drill isolated: {database.wave_name} in {DRILL}; NOT isolated: ")
    assert plan.waves[-1].wave_name in where


def test_a_recovery_and_a_drill_without_isolation_say_nothing() -> None:
    assert isolation_lines(drill(kind="RECOVERY")) == []
    assert isolation_lines(drill(diamond())) == []


def test_terminal_page_and_notifications_say_it() -> None:
    state = drill()
    state.end_time = START + 600
    lines = isolation_lines(state)
    for shown in ("\n".join(summary(state)), "\n".join(execution_lines(state))):
        assert all(line in shown for line in lines)
    watched = WatchedExecution("crm", "crm-1", state=state)
    screen = drawn(watched, now=START + 700, width=100)
    assert all(line in screen for line in lines)
    assert any(lines[0] in each for each in changes(None, state))
    page = render("head", **page_summary(state, now=START + 700))
    assert all(line in page for line in lines)
    update = ExecutionEvents(state, rto_minutes=None).unsent(now=START + 700)
    assert update is not None
    said = {each.kind: each.isolation for each in update.events}
    assert said[EventKind.FINISHED] == "; ".join(lines)

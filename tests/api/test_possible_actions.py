"""The listed actions: each can be sent as it is listed, and says what follows."""

from api.endpoints.steering import REQUESTS
from api.possible_actions import PossibleAction, possible_actions
from recovery.execution.scheduler import WaveScheduler
from recovery.execution.state import ExecutionType
from recovery.execution.wave import WaveStatus
from recovery.operator.message_handler import MessageHandler
from recovery.operator.messages import MessageName
from recovery.plan.model import OnFailure, RecoveryRules
from tests.cli.executions import CHAIN, START, begin
from tests.cli.step_executions import plan_with_steps, waiting_step
from tests.recovery.operator.test_message_handler_hostile import Execution

_JOB = {"Job": "drsjob-0123456789abcdef0"}


def execution() -> Execution:
    """A recovery whose database failed, and whose web waits for an approval too."""
    made = Execution(OnFailure.ASK, ExecutionType.RECOVERY, ["app1"])
    made.take("start")
    made.take(("db", WaveStatus.FAILED))
    return made


def test_each_action_is_listed_as_it_can_be_sent_with_its_effect() -> None:
    made = execution()
    listed = possible_actions(made.state).actions
    kinds = {each.name for each in listed}
    about_waves = {"retry_wave", "accept_wave", "skip_wave", "approve_wave"}
    assert kinds == about_waves | {"acknowledge", "pause", "cancel"}
    for each in listed:
        if each.name == "cancel":
            continue
        name = MessageName(each.name)
        body = each.body | (_JOB if each.needs else {})
        REQUESTS[name][0].model_validate(body)
        fresh = execution()
        record = MessageHandler(fresh.scheduler).handle(name, (body,), now=fresh.now)
        assert (record.accepted, record.effect) == (True, each.effect)


def test_the_actions_about_one_wave_are_those_and_no_others() -> None:
    listed = possible_actions(execution().state, "app1").actions
    assert [(each.name, each.body) for each in listed] == [
        ("skip_wave", {"Wave": "app1"}),
        ("skip_wave", {"Wave": "app1", "Cascade": True}),
        ("approve_wave", {"Wave": "app1"}),
        ("approve_wave", {"Wave": "app1", "Approve": False}),
    ]


def test_a_recovery_is_cancelled_with_its_plan_id_and_says_what_is_not_launched() -> None:
    made = Execution(None, ExecutionType.RECOVERY, [])
    (cancel,) = (a for a in possible_actions(made.state).actions if a.name == "cancel")
    assert isinstance(cancel, PossibleAction)
    assert (cancel.needs, cancel.role) == (["Confirmation"], "operator")
    assert cancel.effect == "nothing new launches; db, app1, app2, web are not launched"
    made.scheduler.cancel("Cancelled", now=made.now)
    assert possible_actions(made.state).actions == []


def test_the_approval_of_a_recovery_is_listed_as_it_is_given_and_refused_by_approvers() -> None:
    rules = RecoveryRules(approvers=2)
    plan = CHAIN.model_copy(update={"recovery": rules})
    state = begin(plan, ExecutionType.RECOVERY)
    listed = [a for a in possible_actions(state).actions if a.name == "approve_recovery"]
    assert [(each.body, each.role) for each in listed] == [
        ({}, "approver"),
        ({"Approve": False}, "approver"),
    ]
    assert listed[0].effect.startswith("1 of 2 approvals; nothing is launched yet")
    roles = {a.role for a in possible_actions(execution().state, "app1").actions}
    # app1 needs an approval that nobody gave, so that its skip is an approver's too.
    assert roles == {"approver"}


def test_messages_about_steps_are_listed_with_their_step_and_what_it_asks_for() -> None:
    state = waiting_step()
    listed = possible_actions(state, "cutover").actions
    about = [a for a in listed if a.step_id is not None]
    assert [(each.name, each.body) for each in about] == [
        ("complete_step", {"Wave": "cutover", "Step": "confirm"}),
        ("skip_step", {"Wave": "cutover", "Step": "confirm"}),
        ("skip_step", {"Wave": "cutover", "Step": "announce"}),
        ("fail_step", {"Wave": "cutover", "Step": "confirm"}),
    ]
    complete = next(each for each in about if each.name == "complete_step")
    assert (complete.needs, complete.role) == (["Outputs"], "operator")
    assert [(each.name, each.type) for each in complete.inputs] == [
        ("Ticket", "TEXT"),
        ("Sessions", "NUMBER"),
        ("Confirmed", "YES_OR_NO"),
    ]
    assert complete.effect == "step confirm counts as done, step announce is next"
    sent = complete.body | {"Outputs": {"Ticket": "CHG-7", "Confirmed": "yes", "Sessions": "12"}}
    handler = MessageHandler(WaveScheduler(plan_with_steps(), state))
    record = handler.handle("complete_step", (sent,), now=START)
    assert (record.accepted, record.effect, record.step_id) == (True, complete.effect, "confirm")
    (decided,) = handler.step_decisions
    assert decided.message.outputs == {"Ticket": "CHG-7", "Confirmed": True, "Sessions": 12}


def test_inputs_of_a_wrong_type_are_refused_with_what_to_send() -> None:
    handler = MessageHandler(WaveScheduler(plan_with_steps(), waiting_step()))
    for outputs, problem in (
        ({}, "it asks for Ticket, Confirmed: add --output Ticket=TEXT (in a message, Outputs)"),
        ({"Ticket": "a", "Confirmed": "perhaps"}, "Confirmed must be yes or no"),
        ({"Ticket": 7, "Confirmed": True}, "Ticket must be text"),
        ({"Ticket": "a", "Confirmed": True, "Sessions": "inf"}, "Sessions must be a number"),
        ({"Ticket": "a", "Confirmed": True, "More": 1}, "it asks for no More; its inputs: Ticket"),
    ):
        sent = {"wave": "cutover", "step": "confirm", "outputs": outputs}
        record = handler.handle("complete_step", (sent,), now=START)
        assert not record.accepted
        assert problem in record.effect

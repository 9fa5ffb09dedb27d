"""Any JSON, to any execution: a record is kept that can be shown and stored, and nothing breaks."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recovery.execution.scheduler import WaveScheduler
from recovery.execution.server import ServerResult
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveReport, WaveStatus
from recovery.operator.message_handler import MessageHandler
from recovery.operator.messages import MessageName
from recovery.operator.pending_decisions import update_open_decisions
from recovery.plan.model import OnFailure, RecoveryPlan
from tests.recovery.plans import diamond

NOON = 1_700_000_000.0
WAVES = ("db", "app1", "app2", "web")
WORDS = st.sampled_from([*WAVES, "dp", "crm-1", "", "\x1b[2J", "\ud800", "x" * 5000, "a\nb"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | WORDS
KEYS = st.sampled_from(
    ["wave", "WaveId", "wave_id", "reason", "actor", "Actor", "ExecutionId", "client", "cascade",
     "approve", "expires_in_seconds", "ExpiresInSeconds", "launch", "LaunchId"]
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=4),
    max_leaves=8,
)
MEANT = st.fixed_dictionaries(
    {"wave": st.sampled_from(WAVES)},
    optional={
        "reason": WORDS,
        "actor": WORDS,
        "cascade": st.booleans(),
        "approve": st.booleans(),
        "expires_in_seconds": st.floats() | st.integers(),
    },
)
# Temporal takes any text as a name, but no half of a surrogate pair.
NAMES = st.sampled_from([*MessageName, "skip_wav", "", "\x1b", "x" * 300])
MESSAGES = st.tuples(NAMES, st.lists(MEANT | ANYTHING, max_size=2).map(tuple))
STATUSES = st.sampled_from(WaveStatus)
STEPS = (
    MESSAGES
    | MESSAGES
    | st.tuples(st.sampled_from(WAVES), STATUSES)
    | st.sampled_from(["tick", "start", "cancel", "close"])
    | st.floats(0, 100_000)
)


class Execution:
    """An execution, and what happens to it."""

    def __init__(self, policy: OnFailure | None, kind: ExecutionType, approved: list[str]) -> None:
        plan = diamond().model_copy(update={"on_failure": policy})
        for wave in plan.waves:
            wave.approval_required = wave.wave_id in approved
        self.plan: RecoveryPlan = plan
        self.now = NOON
        self.state = ExecutionState.begin(
            plan, execution_id="crm-1", execution_type=kind, started_by="ops", now=NOON
        )
        self.scheduler = WaveScheduler(plan, self.state)
        self.handler = MessageHandler(self.scheduler)

    def take(self, step: Any) -> None:
        """One step."""
        match step:
            case (MessageName() | str() as name, tuple() as inputs):
                self._message(str(name), inputs)
            case (str() as wave_id, WaveStatus() as status):
                self._report(wave_id, status)
            case "tick":
                self.scheduler.tick(now=self.now)
            case "start":
                for wave in list(self.scheduler.ready()):
                    self.scheduler.start(wave.wave_id, now=self.now)
            case "cancel" if self.state.end_time is None:
                self.scheduler.cancel("\x1b", now=self.now)
                self.handler.record_cancellation("Cancelled with drs-waves by \x1b", now=self.now)
            case "close" if self.scheduler.all_settled and self.state.end_time is None:
                self.scheduler.close(now=self.now)
            case float() as seconds:
                self.now += seconds
            case _:
                pass
        update_open_decisions(self.state, now=self.now)

    def _message(self, name: str, inputs: tuple[Any, ...]) -> None:
        before = self.state.model_dump_json(exclude={"messages", "revision"})
        kept = len(self.state.messages)
        record = self.handler.handle(name, inputs, now=self.now)
        if len(self.state.messages) > kept:
            assert self.state.messages[kept:] == [record]
        else:
            # One that was rejected before, or accepted at the same time.
            assert any(each.repeats for each in self.state.messages)
        for text in (record.effect, record.actor, record.reason, record.name):
            assert text.isprintable(), repr(text)
            assert len(text) < 3000
        assert record.effect
        if not record.accepted:
            assert self.state.model_dump_json(exclude={"messages", "revision"}) == before

    def _report(self, wave_id: str, status: WaveStatus) -> None:
        wave = self.scheduler.wave(wave_id)
        if not wave.has_workflow:
            return
        reported = wave.model_copy(
            deep=True, update={"status": status, "revision": wave.revision + 1, "servers": []}
        )
        if status is WaveStatus.FAILED:
            reported.servers = [
                ServerResult(source_server_id=s.source_server_id).failed("broke", at=self.now)
                for s in wave.servers
            ]
        self.scheduler.report(WaveReport(execution_id="crm-1", wave=reported), now=self.now)

    def check(self) -> None:
        """What is left can be answered to a query, stored and shown."""
        text = self.state.model_dump_json()
        assert ExecutionState.model_validate_json(text) == self.state
        assert json.loads(text)["ExecutionId"] == "crm-1"
        self.scheduler.next_deadline()
        assert self.state.status in PlanStatus


@given(
    st.none() | st.sampled_from(OnFailure),
    st.sampled_from(ExecutionType),
    st.lists(st.sampled_from(WAVES), max_size=2),
    st.lists(STEPS, max_size=25),
)
def test_any_message_at_any_time_leaves_a_record_and_an_execution_that_goes_on(
    policy: OnFailure | None, kind: ExecutionType, approved: list[str], steps: list[Any]
) -> None:
    execution = Execution(policy, kind, approved)
    for step in ["start", *steps]:
        execution.take(step)
        execution.check()

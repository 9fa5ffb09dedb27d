"""The unwritten part of an execution's history."""

from recovery.base_model import Model
from recovery.execution.cleanup_state import CleanupState
from recovery.execution.state import ExecutionState, MessageRecord
from recovery.execution.wave import Decisions, WaveState
from recovery.plan.model import RecoveryPlan
from recovery.steps.replaced import StepRevert

# A record is one input of an activity, which Temporal takes up to 2 MB.
WAVES_PER_RECORD = 50
_SERVERS_PER_RECORD = 1000
_PLAN_BYTES_WITH_WAVES = 200_000
# A step with its outputs is as long as so many servers.
_SERVERS_LIKE_A_STEP = 5
# A wave with more of them, or with steps, records itself while it runs: its plan's history takes
# 50 MB and 50,000 events of all waves.
_MAX_SERVERS_RECORDED_BY_PLAN = 10


class HistoryRecord(Model):
    """What to write: the header, the plan at the start, waves, decisions and messages.

    Attributes:
        execution: the execution without its waves and messages; None leaves it as it is.
        decisions: by WaveId, what operators decided.
        decisions_revision: the execution's revision at which they stand.
        messages: operators' messages, by their number from 0 in the execution.
        reverts: what operators put back of what its steps replaced.
    """

    execution_id: str
    execution: ExecutionState | None = None
    plan: RecoveryPlan | None = None
    waves: list[WaveState] = []
    decisions: dict[str, Decisions] = {}
    decisions_revision: int = 0
    messages: dict[int, MessageRecord] = {}
    cleanup: CleanupState | None = None
    reverts: list[StepRevert] = []


class HistoryDelta:
    """Computes what the plan's workflow must write next.

    The plan's workflow writes a wave when it reaches another milestone, and at its end everything
    that is not confirmed as written. A large wave's own workflow writes it while it runs.
    """

    def __init__(self, plan: RecoveryPlan, state: ExecutionState) -> None:
        self._plan: RecoveryPlan | None = plan
        self._state = state
        # By their number, the written revisions.
        self._messages: list[int] = []
        self._decisions: dict[str, Decisions] = {}
        # By WaveId, as written by the plan.
        self._milestones: dict[str, object] = {}

    def has_unwritten(self, waves: dict[str, int], execution: int) -> bool:
        """Whether there is anything to write; the arguments are those of `unwritten`."""
        is_new = self._plan is not None or self._state.revision > execution
        return is_new or any(self._is_missing(wave, waves) for wave in self._state.waves)

    def unwritten(self, waves: dict[str, int], execution: int) -> HistoryRecord | None:
        """Return what is not written yet, as a copy, because the state continues to change.

        Args:
            waves: by WaveId, the recorded revision.
            execution: the recorded revision of the execution.

        Returns:
            None if everything is written.
        """
        state = self._state
        plan, self._plan = self._plan, None
        is_large = plan is not None and len(plan.model_dump_json()) > _PLAN_BYTES_WITH_WAVES
        missing = [] if is_large else self._first_missing(waves)
        self._milestones.update({wave.wave_id: _milestone(wave) for wave in missing})
        header = state.revision > execution
        if not missing and not header:
            return None
        return HistoryRecord(
            execution_id=state.execution_id,
            execution=state.without_waves() if header else None,
            plan=plan,
            waves=[wave.model_copy(deep=True) for wave in missing],
            decisions=self._new_decisions(),
            decisions_revision=state.revision,
            messages=self._new_messages(),
        )

    def _first_missing(self, written: dict[str, int]) -> list[WaveState]:
        """The first waves to write, as many as a record may have."""
        found: list[WaveState] = []
        for wave in self._state.waves:
            if self._is_missing(wave, written):
                servers = sum(map(_length, [*found, wave]))
                if len(found) >= WAVES_PER_RECORD or (found and servers > _SERVERS_PER_RECORD):
                    break
                found.append(wave)
        return found

    def _is_missing(self, wave: WaveState, written: dict[str, int]) -> bool:
        if wave.revision <= written.get(wave.wave_id, 0):
            return False
        if wave.has_workflow and self._state.end_time is None:
            is_new = _milestone(wave) != self._milestones.get(wave.wave_id)
            is_needed = wave.wave_id in written or wave.waiting_for is not wave.begins_with
            return is_new and is_needed and not records_itself(wave)
        # A wave that never started, and took nothing over, can be read as PENDING from the plan.
        has_job = any(server.recovery_job_id for server in wave.servers)
        return wave.status.is_settled or wave.wave_id in written or has_job

    def _new_decisions(self) -> dict[str, Decisions]:
        nothing = Decisions()
        changed = {
            w.wave_id: w.decisions.model_copy(deep=True)
            for w in self._state.waves
            if w.decisions != self._decisions.get(w.wave_id, nothing)
        }
        self._decisions.update(changed)
        return changed

    def _new_messages(self) -> dict[int, MessageRecord]:
        """The messages that are new, or came again."""
        before, messages = self._messages, self._state.messages
        self._messages = [message.revision for message in messages]
        return {
            number: message.model_copy()
            for number, message in enumerate(messages)
            if number >= len(before) or message.revision > before[number]
        }


def records_itself(wave: WaveState) -> bool:
    """Whether a wave's own workflow records it also while its plan is open."""
    return bool(wave.steps) or len(wave.servers) > _MAX_SERVERS_RECORDED_BY_PLAN


def _milestone(wave: WaveState) -> object:
    """What of a wave's state is worth a write while it runs; what changes else is written with it.

    That DRS has begun with a server, for example, is not.
    """
    servers = [(s.recovery_job_id, s.recovery_instance_id, s.is_final) for s in wave.servers]
    status = wave.attempt, wave.status, wave.waiting_for, wave.late, wave.launches_in_doubt
    return *status, servers


def _length(wave: WaveState) -> int:
    """How long a wave's record is, as the number of servers of this length."""
    return len(wave.servers) + _SERVERS_LIKE_A_STEP * len(wave.steps)

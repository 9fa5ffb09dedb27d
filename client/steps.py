"""The steps of an execution, as the command line and the API list them."""

from client.executions import LastKnownState
from recovery.base_model import Model
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.execution.wave import WaveState
from recovery.steps.progress import not_tested
from recovery.steps.state import StepState


class ListedStep(StepState):
    """A step of a wave of an execution. Times are epoch seconds."""

    wave_id: str
    wave_name: str

    @classmethod
    def of_wave(cls, wave: WaveState, step: StepState) -> "ListedStep":
        """A step of a wave."""
        names = {"wave_id": wave.wave_id, "wave_name": wave.wave_name}
        return cls.model_validate(dict(step) | names)


class StepList(Model):
    """All steps of an execution, wave by wave in the order of the plan.

    Attributes:
        recorded_time: when the state was recorded, if nothing newer is known (epoch seconds).
        not_tested: how many steps this kind of execution left out.
    """

    execution_id: str
    plan_id: str
    execution_type: ExecutionType
    status: PlanStatus
    recorded_time: float | None = None
    not_tested: int
    steps: list[ListedStep]

    @classmethod
    def of(cls, state: ExecutionState) -> "StepList":
        """The steps of an execution."""
        return cls(
            execution_id=state.execution_id,
            plan_id=state.plan_id,
            execution_type=state.execution_type,
            status=state.status,
            recorded_time=state.recorded_time if isinstance(state, LastKnownState) else None,
            not_tested=sum(len(not_tested(wave.steps)) for wave in state.waves),
            steps=[ListedStep.of_wave(wave, s) for wave in state.waves for s in wave.steps],
        )

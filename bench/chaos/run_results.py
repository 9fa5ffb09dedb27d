"""The results of a run: actions, faults and drill results."""

from collections import Counter
from dataclasses import dataclass, field

from bench.chaos.script import ChaosActionKind


@dataclass
class DrillResult:
    """The result of a drill.

    Attributes:
        outcome: the status of the execution, or empty if it has none.
        violations: the violated invariants.
        actions: the performed actions, in order.
        seconds: the wall-clock duration.
    """

    drill: int
    outcome: str
    violations: list[str]
    actions: list[str]
    seconds: float


@dataclass
class RunResults:
    """The results of a run.

    Attributes:
        actions: the number of performed actions by kind.
        without_target: actions whose worker had already ended.
        unmatched: actions without a matching call.
        faults: the number of faults that the local AWS applied, by `service.Operation Error`.
        message_outcomes: the number of messages that were accepted, rejected or unanswered.
        cleanups_repeated: clean-ups started again because they reported remaining instances.
    """

    actions: Counter[ChaosActionKind] = field(default_factory=Counter)
    without_target: int = 0
    unmatched: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    message_outcomes: Counter[str] = field(default_factory=Counter)
    cleanups_repeated: int = 0
    drill_results: list[DrillResult] = field(default_factory=list)

    @property
    def outcomes(self) -> Counter[str]:
        """The number of drills by status."""
        return Counter(drill_result.outcome or "no outcome" for drill_result in self.drill_results)

    @property
    def violating(self) -> list[DrillResult]:
        """The drills with violations."""
        return [drill_result for drill_result in self.drill_results if drill_result.violations]

    def faults_applied(self, *effects: str, service: str = "drs") -> int:
        """The number of faults with these errors or effects that a service returned."""
        return sum(
            count
            for name, count in self.faults.items()
            if name.startswith(f"{service}.") and name.rpartition(" ")[2] in effects
        )

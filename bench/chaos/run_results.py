"""Counts what was done to the drills and what became of them."""

from collections import Counter
from dataclasses import dataclass, field

from bench.chaos.script import ChaosActionKind


@dataclass
class DrillResult:
    """What became of a drill.

    Attributes:
        outcome: its status; empty if it has none.
        violations: what must hold and does not.
        actions: what the adversary did to it, in order.
        seconds: how long it took, wall-clock.
    """

    drill: int
    outcome: str
    violations: list[str]
    actions: list[str]
    seconds: float


@dataclass
class RunResults:
    """The counts of a whole run.

    Attributes:
        actions: done by the adversary.
        without_target: acts that found their worker gone already.
        unmatched: acts whose call their drill never made.
        faults: struck by the local AWS, by `service.Operation Error`.
        message_outcomes: to operators' messages: accepted, rejected, unanswered.
        cleanups_repeated: clean-ups that said that something was left, and were started again.
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
        """How many drills ended in which status."""
        return Counter(drill_result.outcome or "no outcome" for drill_result in self.drill_results)

    @property
    def violating(self) -> list[DrillResult]:
        """The drills in which something was violated."""
        return [drill_result for drill_result in self.drill_results if drill_result.violations]

    def faults_applied(self, *effects: str, service: str = "drs") -> int:
        """How often faults of these errors or effects struck a service."""
        return sum(
            count
            for name, count in self.faults.items()
            if name.startswith(f"{service}.") and name.rpartition(" ")[2] in effects
        )

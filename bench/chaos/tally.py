"""Counts what was done to the drills and what became of them."""

from collections import Counter
from dataclasses import dataclass, field

from bench.chaos.script import ActKind


@dataclass
class Verdict:
    """What became of a drill.

    Attributes:
        outcome: its status; empty if it has none.
        violations: what must hold and does not.
        acts: what the adversary did to it, in order.
        seconds: how long it took, wall-clock.
    """

    drill: int
    outcome: str
    violations: list[str]
    acts: list[str]
    seconds: float


@dataclass
class Tally:
    """The counts of a whole run.

    Attributes:
        acts: done by the adversary.
        missed: acts that found their worker gone already.
        never_came: acts whose call their drill never made.
        faults: struck by the local AWS, by `service.Operation Error`.
        answers: to operators' messages: accepted, rejected, unanswered.
        cleanups_repeated: clean-ups that said that something was left, and were started again.
    """

    acts: Counter[ActKind] = field(default_factory=Counter)
    missed: int = 0
    never_came: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    cleanups_repeated: int = 0
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def outcomes(self) -> Counter[str]:
        """How many drills ended in which status."""
        return Counter(verdict.outcome or "no outcome" for verdict in self.verdicts)

    @property
    def broken(self) -> list[Verdict]:
        """The drills in which something was violated."""
        return [verdict for verdict in self.verdicts if verdict.violations]

    def struck(self, *effects: str, service: str = "drs") -> int:
        """How often faults of these errors or effects struck a service."""
        return sum(
            count
            for name, count in self.faults.items()
            if name.startswith(f"{service}.") and name.rpartition(" ")[2] in effects
        )

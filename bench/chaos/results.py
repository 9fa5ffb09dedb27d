"""The results of a run, as figures, a table and lines."""

from collections import Counter
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from bench.chaos.generation.script import ChaosActionKind
from bench.display import counts_table

_STEP_SERVICES = ("ssm", "lambda", "http", "route53", "route53-recovery-cluster")


@dataclass
class DrillResult:
    """The result of a drill.

    Attributes:
        outcome: the status of the execution, or empty if it has none.
        violations: the violated invariants.
        actions: the performed actions, in order.
    """

    drill: int
    outcome: str
    violations: list[str]
    actions: list[str]

    def lines(self, *, seed: str) -> list[str]:
        """Its violations and the command that repeats it."""
        return [
            f"drill {self.drill} of seed {seed} ({self.outcome or 'no outcome'}):",
            *(f"  VIOLATION: {violation}" for violation in self.violations),
            *(f"  {action}" for action in self.actions),
            f"  repeat: python -m bench.chaos --seed {seed} --only {self.drill}",
        ]


@dataclass
class RunResults:
    """The results of a run so far.

    Attributes:
        drills: the total number of drills.
        seconds: wall-clock seconds since the start.
        actions: the number of performed actions by kind.
        without_target: actions whose worker had already ended.
        unmatched: actions without a matching call.
        faults: the number of faults that the local AWS applied, by `service.Operation Error`.
        message_outcomes: the number of messages that were accepted, rejected or unanswered.
        cleanups_repeated: clean-ups started again because they reported remaining instances.
        effects_by_kind: the number of effects of steps.
        continued: executions that another one continued.
        not_continued: terminated executions that had left no record to continue from.
    """

    drills: int
    seconds: float = 0.0
    actions: Counter[ChaosActionKind] = field(default_factory=Counter)
    without_target: int = 0
    unmatched: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    message_outcomes: Counter[str] = field(default_factory=Counter)
    cleanups_repeated: int = 0
    effects_by_kind: Counter[str] = field(default_factory=Counter)
    continued: int = 0
    not_continued: int = 0
    drill_results: list[DrillResult] = field(default_factory=list)

    @property
    def outcomes(self) -> list[tuple[str, int]]:
        """The number of drills by status."""
        return sorted(Counter(d.outcome or "no outcome" for d in self.drill_results).items())

    @property
    def violating(self) -> list[DrillResult]:
        """The drills with violations."""
        return [drill_result for drill_result in self.drill_results if drill_result.violations]

    @property
    def title(self) -> str:
        """The number of drills that have ended, and the time."""
        return f"{len(self.drill_results)} of {self.drills} drills in {self.seconds:.0f} s"

    def table(self) -> Table:
        """The results as a table."""
        done, drs, dynamodb = self.actions, self._faults_of("drs"), self._faults_of("dynamodb")
        steps = sum((self._faults_of(each) for each in _STEP_SERVICES), Counter[str]())
        answers_lost = ("answer-lost", "drop", "gateway-after")
        rows = {
            **{f"drills {outcome}": count for outcome, count in self.outcomes},
            "workers killed (kill -9)": done[ChaosActionKind.KILL],
            "workers terminated (SIGTERM)": done[ChaosActionKind.TERMINATE],
            "restarts of Temporal": done[ChaosActionKind.RESTART_TEMPORAL],
            "network faults between a worker and Temporal": done[ChaosActionKind.INTERRUPT_NETWORK],
            "closures of all AWS connections": done[ChaosActionKind.CLOSE_CONNECTIONS],
            "lost or dropped DRS responses": drs["answer-lost"] + drs["answer-cut"] + drs["drop"],
            "responses of a gateway instead of DRS": drs["gateway-before"] + drs["gateway-after"],
            "hanging calls": drs["hang"] + dynamodb["hang"],
            "signatures of a wrong clock": drs["InvalidSignatureException"],
            "held responses": drs["hold"] + dynamodb["hold"],
            "throttled DRS calls": drs["ThrottlingException"],
            "5xx errors of DRS": drs["InternalServerException"],
            "lost answers to steps": sum(steps[each] for each in answers_lost),
            "held answers to steps": steps["hold"],
            "errors of steps' services": steps["ThrottlingException"]
            + steps["TooManyRequestsException"]
            + steps["Throttling"]
            + steps["InternalServerException"],
            "effects of steps": self.effects_by_kind.total(),
            **{f"effects of {kind}": count for kind, count in sorted(self.effects_by_kind.items())},
            "failed DynamoDB calls": dynamodb["InternalServerError"],
            "cancellations": done[ChaosActionKind.CANCEL],
            "plan workflows terminated": done[ChaosActionKind.TERMINATE_PLAN],
            "executions continued (run --from)": self.continued,
            "executions that could not be continued": self.not_continued,
            "messages accepted": self.message_outcomes["accepted"],
            "messages rejected": self.message_outcomes["rejected"],
            "messages without a response": self.message_outcomes["unanswered"],
            "actions without a target worker": self.without_target,
            "actions without a matching call": self.unmatched,
            "repeated clean-ups": self.cleanups_repeated,
        }
        table = counts_table(self.title, "event", rows)
        style = "bold red" if self.violating else ""
        violating = Text(f"{len(self.violating)}", style)
        table.add_row(Text("drills with a violation", style), violating)
        return table

    def violation_lines(self, *, seed: str) -> list[str]:
        """The violations and the commands that repeat the drills, as lines."""
        ordered = sorted(self.violating, key=lambda result: result.drill)
        return [line for result in ordered for line in result.lines(seed=seed)]

    def _faults_of(self, service: str) -> Counter[str]:
        """The number of applied faults of a service, by error or effect."""
        applied: Counter[str] = Counter()
        for name, count in self.faults.items():
            if name.startswith(f"{service}."):
                applied[name.rpartition(" ")[2]] += count
        return applied

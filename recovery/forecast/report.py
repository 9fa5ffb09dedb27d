"""How long plans are expected to take."""

from recovery.base_model import Model


class WaveExpectation(Model):
    """When a wave is expected to run; seconds after the plans' common start.

    Attributes:
        expected_seconds: of its steps and its slowest server.
        learned_servers: the number of servers with a duration from the history.
        ready_seconds: when its last dependency is up.
        start_seconds: when its first server is launched.
        last_start_seconds: when its last server is launched.
        end_seconds: when its last server is up, or its last step done.
        before_launch_seconds: of the steps before its launch.
    """

    wave_id: str
    expected_seconds: float
    learned_servers: int
    ready_seconds: float
    start_seconds: float
    last_start_seconds: float
    end_seconds: float
    before_launch_seconds: float = 0.0

    @property
    def waiting_seconds(self) -> float:
        """Seconds for which some of its servers wait for a quota."""
        return self.last_start_seconds - self.ready_seconds - self.before_launch_seconds


class SplitAdvice(Model):
    """A wave on the critical path that should be split.

    Attributes:
        server_ids: the servers that are slower than its others.
        saves_seconds: how much shorter the plan is if nothing waits for them.
    """

    wave_id: str
    server_ids: list[str]
    saves_seconds: float


class FastServer(Model):
    """How long a server took in both recovery modes, by the history."""

    source_server_id: str
    optimal_seconds: float
    fast_seconds: float


class FastMode(Model):
    """What `RecoveryMode: FAST` saves.

    Attributes:
        saves_seconds: how much shorter the critical path is.
        server_ids: the servers that would need it.
        named_servers: for how many servers the plan's LaunchSettings name it.
        measured: servers that drills have launched so, and others that were not.
    """

    saves_seconds: float
    server_ids: list[str]
    named_servers: int
    measured: list[FastServer] = []


class PlanExpectation(Model):
    """How long a plan is expected to take.

    Attributes:
        seconds_alone: its critical path, its duration if no quota applies.
        seconds_at_once: together with the other requested plans, under the quotas.
        split: the wave whose split saves most, if any.
        fast: what the recovery mode FAST saves.
    """

    plan_id: str
    seconds_alone: float
    seconds_at_once: float
    critical_path: list[str]
    waves: list[WaveExpectation]
    split: SplitAdvice | None = None
    fast: FastMode | None = None


class ForecastReport(Model):
    """How long plans are expected to take that start together.

    Attributes:
        seconds: until the last wave of all is up.
        jobs: the number of DRS jobs.
    """

    seconds: float
    jobs: int
    plans: list[PlanExpectation]

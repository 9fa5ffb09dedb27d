"""What a worker reports of the installation as it sees it."""

from recovery.base_model import Model
from recovery.doctor.check import Check


class WorkerReport(Model):
    """The checks that only a worker can make.

    Attributes:
        trusted_keys: the IDs of the keys that it verifies signed requests with.
        served: the task queues on which a worker answered.
        error: why there are no checks; None: there are.
    """

    checks: list[Check] = []
    trusted_keys: list[str] = []
    served: list[str] = []
    error: str | None = None

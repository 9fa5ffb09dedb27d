"""A channel that an execution's notifications do not reach."""

from recovery.base_model import Model
from recovery.text_format import clock_time

# As the channel of a problem: nothing of the execution is reported.
EVERY_CHANNEL = "every channel"


class NotificationProblem(Model):
    """A channel that an execution's notifications do not reach.

    Attributes:
        since: when the first message failed (epoch seconds).
        error: of the last attempt.
    """

    channel: str
    since: float
    error: str

    @property
    def text(self) -> str:
        """The problem in a sentence without its full stop."""
        since = clock_time(self.since)
        return f"messages to {self.channel} are not delivered since {since}: {self.error}"

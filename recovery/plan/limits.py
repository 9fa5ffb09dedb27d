"""What an execution of a plan needs of Temporal, compared with Temporal's limits."""

from collections.abc import Iterable

from recovery.plan.model import RecoveryPlan

# Temporal ends a workflow at 51,200 events or 10,000 signals. A wave adds 8 events to the history
# of a plan of 1,000 waves, and up to 32 to that of a small one (`make bench`); some 20 an attempt
# are expected of a large plan whose waves fail. The rest is left to operators' messages.
_EVENTS = 40_000
_EVENTS_PER_ATTEMPT = 20
MAX_ATTEMPTS = _EVENTS // _EVENTS_PER_ATTEMPT

# Temporal takes 2 MB a payload.
MAX_START_BYTES = 2 * 1024 * 1024
# Per server: relaunch, learned duration and operating system; else: actor, confirmation, target.
_BYTES_PER_SERVER = 128
_OTHER_BYTES = 8192


def most_attempts(retries: Iterable[int]) -> int:
    """Return how often waves with these `Retries` may be launched without an operator."""
    return sum(1 + each for each in retries)


def start_bytes(plan: RecoveryPlan) -> int:
    """Return the size of the input that starts the plan, at most, in bytes of UTF-8."""
    text = plan.model_dump_json()
    return len(text.encode()) + plan.server_count * _BYTES_PER_SERVER + _OTHER_BYTES

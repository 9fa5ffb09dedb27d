"""What one execution may cost, so that it stays within Temporal's limits.

Temporal ends a workflow at 51,200 events or 50 MB of history, gives it no more than 10,000 signals,
and takes 2 MB a payload. Below that, an execution must have room for its end: a thousand waves that
stop.
"""

from collections.abc import Iterable

from recovery.plan.model import RecoveryPlan

MAX_EVENTS = 45_000
MAX_HISTORY_BYTES = 44_000_000
MAX_SIGNALS = 9_000
# An attempt of a wave adds some 20 events to the plan's history, and up to 1 KB for each server.
MAX_ATTEMPTS = 2_000
MAX_SERVER_ATTEMPTS = 30_000
# Automatic attempts and those that operators ask for.
MAX_ATTEMPTS_OF_A_WAVE = 200

MAX_START_BYTES = 2 * 1024 * 1024
# Per server: relaunch, learned duration and operating system; else: actor, confirmation, target.
_BYTES_PER_SERVER = 128
_OTHER_BYTES = 8192


def attempts_problem(attempts: Iterable[tuple[int, int]]) -> str | None:
    """Why these attempts are too many for one execution; None if they are not.

    Args:
        attempts: of each wave, its attempts (1 and its Retries) and its servers.
    """
    waves = list(attempts)
    if (total := sum(count for count, _ in waves)) > MAX_ATTEMPTS:
        what, limit = f"{total:,} attempts of waves", f"{MAX_ATTEMPTS:,}"
    elif (total := sum(count * servers for count, servers in waves)) > MAX_SERVER_ATTEMPTS:
        what, limit = f"{total:,} attempts of servers", f"{MAX_SERVER_ATTEMPTS:,}"
    else:
        return None
    return f"{what} are more than Temporal's history of one execution takes (at most {limit})"


def start_bytes(plan: RecoveryPlan) -> int:
    """Return the size of the input that starts the plan, at most, in bytes of UTF-8."""
    text = plan.model_dump_json()
    return len(text.encode()) + plan.server_count * _BYTES_PER_SERVER + _OTHER_BYTES

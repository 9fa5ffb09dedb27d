"""What one execution may cost, so that it stays within Temporal's limits.

Temporal ends a workflow at 51,200 events or 50 MB of history, gives it no more than 10,000 signals,
and takes 2 MB a payload. Below that, an execution must have room for its end: a thousand waves that
stop.
"""

from collections.abc import Iterable, Sequence

from recovery.plan.model import RecoveryPlan
from recovery.steps.model import Step, StepPhase
from recovery.steps.state import MAX_OUTPUT_BYTES

MAX_EVENTS = 45_000
MAX_HISTORY_BYTES = 44_000_000
MAX_SIGNALS = 9_000
# What a plan may cost; the rest of MAX_EVENTS is for operators' messages and decisions.
MAX_PLANNED_EVENTS = 43_000
MAX_PLANNED_REPORTS = 5_000
# What an attempt adds to the plan's history and how often it reports, if nothing else happens at
# the same time, as in a chain of waves; among hundreds of waves it is a quarter.
EVENTS_PER_PLAN = 70
EVENTS_PER_ATTEMPT = 33
EVENTS_PER_STEP_ATTEMPT = 8
REPORTS_PER_ATTEMPT = 2
# With reports, result and records up to 2 KB for each server.
MAX_SERVER_ATTEMPTS = 20_000
# Automatic attempts and those that operators ask for.
MAX_ATTEMPTS_OF_A_WAVE = 200

# A step's attempt adds some 30 events to its wave's history, and two reports to the plan's, each
# with the steps of the wave that changed.
MAX_STEPS_PER_PLAN = 1_000
MAX_STEP_ATTEMPTS = 2_000
MAX_STEP_ATTEMPTS_OF_A_WAVE = 500
MAX_STEP_REPORT_BYTES = 20_000_000
_REPORTS_PER_STEP_ATTEMPT = 2
_BYTES_PER_STEP = 500

MAX_START_BYTES = 2 * 1024 * 1024
# Per server: relaunch, learned duration and operating system; else: actor, confirmation, target.
_BYTES_PER_SERVER = 128
_OTHER_BYTES = 8192


def attempts_problem(attempts: Iterable[tuple[int, int]], of_steps: int) -> str | None:
    """Why these attempts are too many for one execution; None if they are not.

    Args:
        attempts: of each wave, its attempts (1 and its Retries) and its servers.
        of_steps: the attempts of all steps.
    """
    waves = list(attempts)
    of_waves = sum(count for count, _ in waves)
    of_both = f"{of_waves:,} attempts of waves and {of_steps:,} of steps"
    events = of_waves * EVENTS_PER_ATTEMPT + of_steps * EVENTS_PER_STEP_ATTEMPT + EVENTS_PER_PLAN
    reports = of_waves * REPORTS_PER_ATTEMPT + of_steps * _REPORTS_PER_STEP_ATTEMPT
    if events > MAX_PLANNED_EVENTS:
        what, limit = f"{events:,} events of {of_both}", f"{MAX_PLANNED_EVENTS:,}"
    elif reports > MAX_PLANNED_REPORTS:
        what, limit = f"{reports:,} reports of {of_both}", f"{MAX_PLANNED_REPORTS:,}"
    elif (total := sum(count * servers for count, servers in waves)) > MAX_SERVER_ATTEMPTS:
        what, limit = f"{total:,} attempts of servers", f"{MAX_SERVER_ATTEMPTS:,}"
    else:
        return None
    return f"{what} are more than Temporal's history of one execution takes (at most {limit})"


def steps_problem(total: int, waves: Iterable[Sequence[tuple[StepPhase, Step]]]) -> str | None:
    """Why these steps are too many for one execution; None if they are not.

    Args:
        total: all steps of the plan.
        waves: the steps of each wave.
    """
    attempts = most = size = 0
    for steps in waves:
        of_wave = sum(1 + step.retries for _, step in steps)
        with_outputs = sum(bool(step.outputs or step.manual) for _, step in steps)
        attempts, most = attempts + of_wave, max(most, of_wave)
        # On average, half of them have their outputs.
        report = len(steps) * _BYTES_PER_STEP + with_outputs * MAX_OUTPUT_BYTES // 2
        size += of_wave * _REPORTS_PER_STEP_ATTEMPT * report
    if total > MAX_STEPS_PER_PLAN:
        what = f"{total:,} steps are", f"at most {MAX_STEPS_PER_PLAN:,}"
    elif attempts > MAX_STEP_ATTEMPTS:
        what = (
            f"{attempts:,} attempts of steps, with Retries, are",
            f"at most {MAX_STEP_ATTEMPTS:,}",
        )
    elif most > MAX_STEP_ATTEMPTS_OF_A_WAVE:
        limit = f"at most {MAX_STEP_ATTEMPTS_OF_A_WAVE} a wave"
        what = f"{most:,} attempts of a wave's steps, with Retries, are", limit
    elif size > MAX_STEP_REPORT_BYTES:
        limit = f"at most {MAX_STEP_REPORT_BYTES // 1_000_000} MB"
        what = f"{size // 1_000_000} MB of reports of steps with their Outputs are", limit
    else:
        return None
    return f"{what[0]} more than Temporal's history of one execution takes ({what[1]})"


def start_bytes(plan: RecoveryPlan) -> int:
    """Return the size of the input that starts the plan, at most, in bytes of UTF-8."""
    text = plan.model_dump_json()
    return len(text.encode()) + plan.server_count * _BYTES_PER_SERVER + _OTHER_BYTES

"""Workflow IDs, launch IDs and search attributes."""

import hashlib
import re
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid4, uuid5

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes


def wave_workflow_id(execution_id: str, wave_id: str, attempt: int) -> str:
    """The workflow ID of one attempt at one wave."""
    return f"drs-wave/{execution_id}/{wave_id}/{attempt}"


def launcher_workflow_id(account_id: str, region: str) -> str:
    """The workflow ID of the launcher of an account and Region."""
    return f"drs-launcher/{account_id}/{region}"


def lease_workflow_id(region: str, lease_id: str) -> str:
    """The workflow ID of a drill's lease of launch templates."""
    return f"drs-lease/{region}/{lease_id}"


def guard_workflow_id(region: str, job_id: str) -> str:
    """The workflow ID of what keeps drills' launch settings away from a recovery's job."""
    return f"drs-guard/{region}/{job_id}"


NOTIFIER_WORKFLOW_ID = "drs-notifier"
REQUEST_MEMO = "Request"
_UNIQUE_CHARACTERS = 12
_EXECUTION_ID = re.compile(rf"[A-Za-z0-9._-]{{1,64}}-[0-9a-f]{{{_UNIQUE_CHARACTERS}}}")
_LAUNCH_ID = re.compile(r"([^/]+)/([^/]+)/([0-9]{1,6})/([0-9]{1,6})", re.ASCII)
PLAN_ID_KEY = SearchAttributeKey.for_keyword("DrsPlanId")
EXECUTION_ID_KEY = SearchAttributeKey.for_keyword("DrsExecutionId")
EXECUTION_TYPE_KEY = SearchAttributeKey.for_keyword("DrsExecutionType")
STATUS_KEY = SearchAttributeKey.for_keyword("DrsStatus")
SEARCH_ATTRIBUTES = (PLAN_ID_KEY, EXECUTION_ID_KEY, EXECUTION_TYPE_KEY, STATUS_KEY)


def search_attributes(
    plan_id: str, execution_id: str, execution_type: str | None = None, status: str | None = None
) -> TypedSearchAttributes:
    """The search attributes of a workflow of an execution, as far as it has them."""
    values = (plan_id, execution_id, execution_type, status)
    return TypedSearchAttributes(
        [
            SearchAttributePair(key, value)
            for key, value in zip(SEARCH_ATTRIBUTES, values, strict=True)
            if value is not None
        ]
    )


def new_execution_id(plan_id: str, key: str | None = None) -> str:
    """The ID of a new execution of a plan; the same for the same `key`."""
    unique = uuid4().hex if key is None else hashlib.sha256(key.encode()).hexdigest()
    return f"{plan_id}-{unique[:_UNIQUE_CHARACTERS]}"


def is_execution_id(text: str) -> bool:
    """Whether a text has the form of an execution's ID; a PlanId may have it too."""
    return _EXECUTION_ID.fullmatch(text) is not None


def plan_id_of(execution_id: str) -> str:
    """The PlanId of an execution."""
    return execution_id[: -_UNIQUE_CHARACTERS - 1]


def plan_workflow_id(plan_id: str) -> str:
    """The workflow ID of a plan; one execution runs at a time."""
    return f"drs-plan/{plan_id}"


def portfolio_workflow_id(portfolio_id: str) -> str:
    """The workflow ID of a portfolio; one execution runs at a time."""
    return f"drs-portfolio/{portfolio_id}"


def cleanup_workflow_id(execution_id: str) -> str:
    """The workflow ID of an execution's clean-up."""
    return f"drs-cleanup/{execution_id}"


def revert_workflow_id(execution_id: str, step: str) -> str:
    """The workflow ID of putting back what a step (`WAVE/STEP`) replaced."""
    return f"drs-revert/{execution_id}/{step}"


def launch_settings_workflow_id(plan_id: str) -> str:
    """The workflow ID of applying a plan's launch settings; one runs at a time."""
    return f"drs-launch-settings/{plan_id}"


TARGETS_MEMO = "Targets"


def target_key(account_id: str | None, region: str) -> str:
    """An account and Region, as a plan's workflow has them in its memo.

    Args:
        account_id: None: the worker's own.
        region: the Region.
    """
    return f"{account_id or ''}/{region}"


def launch_prefix(execution_id: str, wave_id: str = "") -> str:
    """The prefix of the launch IDs of an execution, or of one of its waves."""
    return f"{execution_id}/{wave_id}/" if wave_id else f"{execution_id}/"


class LaunchIdParts(NamedTuple):
    """What a launch ID says: `number` is the launch's own within the attempt."""

    execution_id: str
    wave_id: str
    attempt: int
    number: int


def launch_id_parts(launch_id: str) -> LaunchIdParts | None:
    """The parts of a launch ID; None if it is not one of ours."""
    found = _LAUNCH_ID.fullmatch(launch_id)
    return found and LaunchIdParts(found[1], found[2], int(found[3]), int(found[4]))


def start_claim_id(execution_id: str) -> str:
    """The workflow ID of the claim of an execution's signed start."""
    return f"drs-start/{execution_id}"


def history_workflow_id(execution_id: str) -> str:
    """The workflow ID of the repair of an execution's history."""
    return f"drs-history/{execution_id}"


def step_attempt_id(execution_id: str, wave_id: str, step_id: str, attempt: int) -> str:
    """The ID of one attempt of a step, a UUID; a reset keeps it."""
    name = f"drs-waves:{execution_id}/{wave_id}/{step_id}/{attempt}"
    return str(uuid5(NAMESPACE_URL, name))

"""Generates the faults of the calls of a drill."""

from random import Random
from typing import Any

from bench.chaos.generation.step_kinds import control_panel
from recovery.plan.model import RecoveryPlan

Fault = dict[str, Any]
START = "drs.StartRecovery"
DESCRIBE_JOBS = "drs.DescribeJobs"
DESCRIBE_INSTANCES = "drs.DescribeRecoveryInstances"
JOB_LOG = "drs.DescribeJobLogItems"
TERMINATE = "drs.TerminateRecoveryInstances"
RECORD = "dynamodb.PutItem"
CALLER = "sts.GetCallerIdentity"
AUTOMATION = "ssm.StartAutomationExecution"
COMMAND = "ssm.SendCommand"
INVOKE = "lambda.Invoke"
AUTOMATION_STATE = "ssm.GetAutomationExecution"
COMMANDS = "ssm.ListCommands"
POST = "http.POST"
RECORD_SET = "route53.ChangeResourceRecordSets"
CHANGE = "route53.GetChange"
CONTROL = "route53-recovery-cluster.UpdateRoutingControlState"
STEP_STARTS = (AUTOMATION, COMMAND, INVOKE, POST, RECORD_SET, CONTROL)
_THROTTLED = {"Error": "ThrottlingException", "RetryAfterSeconds": 1}
_BROKEN = {"Error": "InternalServerException", "RetryAfterSeconds": 1}
_TOO_MANY = {"Error": "TooManyRequestsException", "RetryAfterSeconds": 1}
_ROUTE53_THROTTLED = {"Error": "Throttling", "RetryAfterSeconds": 1}
_LOST = {"Effect": "answer-lost"}
_TRUNCATED = {"Effect": "answer-cut"}
_DROPPED = {"Effect": "drop"}
_SKEWED = {"Error": "InvalidSignatureException"}
_GATEWAY_BEFORE = {"Effect": "gateway-before"}
_GATEWAY_AFTER = {"Effect": "gateway-after"}
_HANGING = {"Effect": "hang"}
_SLOW = {"Effect": "delay", "Seconds": 20.0}
_DYNAMODB_UNAVAILABLE = {"Error": "InternalServerError"}
# These are for all drills, or have no text of one.
_OF_ALL_DRILLS = (DESCRIBE_JOBS, CALLER, AUTOMATION_STATE, COMMANDS, CHANGE)
# What a gateway answers with, in the place of AWS.
_GATEWAY_STATUSES = (403, 404, 407, 413, 429, 500, 502, 503, 504)
# To a service of somebody's own, a status below says that the request had no effect.
_UNCLEAR_STATUSES = (500, 502, 503, 504)
# Operation, probability in a drill, effect, maximum of Times, maximum of After.
_FAULTS: tuple[tuple[str, float, dict[str, Any], int, int], ...] = (
    (START, 0.15, _LOST, 2, 3),
    (START, 0.10, _DROPPED, 2, 3),
    (START, 0.15, _THROTTLED, 3, 3),
    (START, 0.10, _BROKEN, 2, 3),
    (DESCRIBE_JOBS, 0.10, _LOST, 4, 12),
    (DESCRIBE_JOBS, 0.15, _THROTTLED, 6, 12),
    (DESCRIBE_JOBS, 0.15, _BROKEN, 6, 12),
    (DESCRIBE_INSTANCES, 0.10, _THROTTLED, 6, 6),
    (DESCRIBE_INSTANCES, 0.10, _LOST, 3, 6),
    (JOB_LOG, 0.10, _BROKEN, 6, 2),
    (TERMINATE, 0.10, _LOST, 2, 0),
    (TERMINATE, 0.10, _THROTTLED, 3, 0),
    (RECORD, 0.20, _DYNAMODB_UNAVAILABLE, 12, 6),
    (START, 0.10, _TRUNCATED, 1, 3),
    (DESCRIBE_JOBS, 0.15, _TRUNCATED, 4, 12),
    (DESCRIBE_INSTANCES, 0.15, _TRUNCATED, 3, 6),
    (START, 0.10, _GATEWAY_BEFORE, 2, 3),
    (START, 0.10, _GATEWAY_AFTER, 2, 3),
    (START, 0.05, _SKEWED, 2, 3),
    (DESCRIBE_JOBS, 0.10, _GATEWAY_AFTER, 4, 12),
    (DESCRIBE_JOBS, 0.05, _SKEWED, 4, 12),
    (DESCRIBE_JOBS, 0.02, _HANGING, 1, 12),
    (DESCRIBE_INSTANCES, 0.10, _GATEWAY_AFTER, 3, 6),
    (DESCRIBE_INSTANCES, 0.05, _HANGING, 1, 6),
    (TERMINATE, 0.10, _GATEWAY_AFTER, 2, 0),
    (RECORD, 0.10, _HANGING, 3, 6),
    (CALLER, 0.02, _SLOW, 1, 3),
    (AUTOMATION, 0.20, _LOST, 2, 1),
    (AUTOMATION, 0.10, _GATEWAY_AFTER, 1, 1),
    (AUTOMATION, 0.10, _THROTTLED, 3, 1),
    (AUTOMATION_STATE, 0.05, _BROKEN, 3, 3),
    (COMMAND, 0.20, _LOST, 2, 1),
    (COMMAND, 0.10, _GATEWAY_AFTER, 1, 1),
    (COMMAND, 0.10, _DROPPED, 2, 1),
    (COMMANDS, 0.05, _THROTTLED, 3, 3),
    (INVOKE, 0.20, _LOST, 1, 1),
    (INVOKE, 0.10, _GATEWAY_AFTER, 1, 1),
    (INVOKE, 0.10, _TOO_MANY, 2, 1),
    (INVOKE, 0.05, _DROPPED, 1, 1),
    (POST, 0.20, _LOST, 1, 1),
    (POST, 0.10, _GATEWAY_AFTER, 1, 1),
    (POST, 0.10, _GATEWAY_BEFORE, 1, 1),
    (POST, 0.05, _DROPPED, 1, 1),
    (RECORD_SET, 0.20, _LOST, 2, 1),
    (RECORD_SET, 0.10, _GATEWAY_AFTER, 1, 1),
    (RECORD_SET, 0.10, _ROUTE53_THROTTLED, 2, 1),
    (CHANGE, 0.05, _ROUTE53_THROTTLED, 3, 3),
    (CONTROL, 0.20, _LOST, 2, 2),
    (CONTROL, 0.10, _GATEWAY_AFTER, 2, 2),
    (CONTROL, 0.10, _THROTTLED, 3, 2),
)


def generate_faults(rng: Random, drill: int, plan: RecoveryPlan) -> list[Fault]:
    """Generate the faults of the calls of a drill."""
    return [
        fault_of_drill(drill, plan, operation)
        | effect
        | _generate_gateway(rng, operation, effect)
        | {
            "Times": rng.randint(1, max_times),
            "After": rng.randint(0, max_after),
            "Name": f"{plan.plan_id}/fault/{number}",
        }
        for number, (operation, chance, effect, max_times, max_after) in enumerate(_FAULTS)
        if rng.random() < chance
    ]


def _generate_gateway(rng: Random, operation: str, effect: dict[str, Any]) -> dict[str, Any]:
    is_unclear = operation == POST and effect is _GATEWAY_AFTER
    statuses = _UNCLEAR_STATUSES if is_unclear else _GATEWAY_STATUSES
    status, body = rng.choice(statuses), rng.choice(("html", "json"))
    is_gateway = effect in (_GATEWAY_BEFORE, _GATEWAY_AFTER)
    return {"Status": status, "Body": body} if is_gateway else {}


def fault_of_drill(drill: int, plan: RecoveryPlan, operation: str) -> Fault:
    """Return the keys of a fault that limit it to the calls of this drill."""
    service, _, name = operation.partition(".")
    if operation in _OF_ALL_DRILLS:
        return {"Service": service, "Operation": name}
    # Launch IDs, history items, and what the steps name have this text.
    mentions = [
        f"{plan.plan_id}-",
        control_panel(drill),
        *(i for wave in plan.waves for i in wave.server_ids),
    ]
    return {"Service": service, "Operation": name, "Mentions": mentions}

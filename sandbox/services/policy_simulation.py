"""SimulatePrincipalPolicy of IAM, which moto does not have: what the scenario denies is denied."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from sandbox.denied_actions import simulated


def register() -> None:
    """Give moto's IAM the operation. Idempotent."""
    IamResponse.simulate_principal_policy = _simulate  # type: ignore[attr-defined]


def _simulate(response: IamResponse) -> Any:
    actions = response._get_param("ActionNames", [])
    return ActionResult(
        {
            "IsTruncated": False,
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalResourceName": "*",
                    "EvalDecision": "implicitDeny"
                    if simulated.denies(action, response.current_account)
                    else "allowed",
                }
                for action in actions
            ],
        }
    )

"""SimulatePrincipalPolicy of IAM, which moto does not have, from policies and the scenario."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from sandbox.iam.authorization import is_simulated_as_denied


def register() -> None:
    """Give moto's IAM the operation. Idempotent."""
    IamResponse.simulate_principal_policy = _simulate  # type: ignore[attr-defined]


def _simulate(response: IamResponse) -> Any:
    actions = response._get_param("ActionNames", [])
    principal = response._get_param("PolicySourceArn", "")
    return ActionResult(
        {
            "IsTruncated": False,
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalResourceName": "*",
                    "EvalDecision": "implicitDeny"
                    if is_simulated_as_denied(action, principal, response.current_account)
                    else "allowed",
                }
                for action in actions
            ],
        }
    )

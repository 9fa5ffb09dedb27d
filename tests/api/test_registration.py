"""A version that an operator registers is compared with the one that it replaces."""

import pytest

from api.auth.tokens import Principal
from api.problems import ApiProblem
from api.service import ExecutionService
from recovery.access.roles import Role
from recovery.plan.model import RecoveryPlan, RecoveryRules
from settings import Settings
from storage.plans import RegisteredPlan
from tests.aws_in_process import LocalAws
from tests.recovery.plans import diamond


def approved_by(number: int, name: str) -> RecoveryPlan:
    """A plan whose recovery needs approvals."""
    rules = RecoveryRules(approvers=number)
    return diamond().model_copy(update={"recovery": rules, "plan_name": name})


async def test_a_version_that_an_approver_registers_meanwhile_is_not_replaced_unseen(
    aws: LocalAws, fast: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = ExecutionService(fast)
    table, read = service.plans, service.plans.plan
    await table.create()
    await table.register(approved_by(0, "one"), author="ops")

    async def read_before_another(plan_id: str) -> RegisteredPlan | None:
        found = await read(plan_id)
        await table.register(approved_by(2, "two"), author="boss")
        return found

    monkeypatch.setattr(table, "plan", read_before_another)
    caller = Principal(subject="ops", roles=frozenset([Role.OPERATOR]))
    # The version that comes next can be guessed.
    with pytest.raises(ApiProblem, match="version 2 is not the newest"):
        await service.register(caller, approved_by(0, "three"), after=2)
    assert [each.author for each in await table.versions("crm")] == ["boss", "ops"]

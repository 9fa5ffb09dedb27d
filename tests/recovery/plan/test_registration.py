"""What registering changes: pure."""

import pytest

from recovery.plan.model import RecoveryPlan
from recovery.plan.registration import (
    KnownVersion,
    RegistrationChange,
    registration_of,
    source_of,
    to_remove,
)
from tests.recovery.plans import diamond


@pytest.mark.parametrize(
    "remote",
    [
        "https://git.example.com/ops/plans.git",
        "https://user:token@git.example.com/ops/plans",
        "ssh://git@git.example.com/ops/plans.git",
        "git@git.example.com:ops/plans.git",
        "git.example.com:ops/plans",
    ],
)
def test_a_repository_has_one_name_however_it_is_cloned(remote: str) -> None:
    assert source_of(remote, "dr/") == "git.example.com/ops/plans//dr"
    assert source_of(remote, "") == "git.example.com/ops/plans"


def known(plan: RecoveryPlan, source: str | None = None, *, removed: bool = False) -> KnownVersion:
    """Version 3 of a plan."""
    return KnownVersion(version=3, source=source, is_removed=removed, plan=plan)


def test_the_order_of_waves_is_no_change() -> None:
    plan = diamond()
    other = plan.model_copy(update={"waves": plan.waves[::-1]})
    found = registration_of(other, known(plan), file="a", source=None)
    assert (found.change, found.version) == (RegistrationChange.UNCHANGED, 3)


def test_a_version_from_elsewhere_is_registered_again_to_say_so() -> None:
    found = registration_of(diamond(), known(diamond()), file="a", source="git/plans")
    assert found.change is RegistrationChange.CHANGED
    assert found.differences == ["~ registered from no directory → git/plans"]


def test_fewer_approvals_are_named() -> None:
    plan = diamond()
    strict = plan.model_copy(update={"recovery": plan.recovery.model_copy(update={"approvers": 2})})
    found = registration_of(plan, known(strict), file=None, source=None)
    assert found.weakens == ["Recovery Approvers 2 → 0"]


def test_plans_of_the_source_alone_are_removed_and_once() -> None:
    versions = {
        "kept": known(diamond(), "ours"),
        "gone": known(diamond(), "ours"),
        "removed": known(diamond(), "ours", removed=True),
        "theirs": known(diamond(), "theirs"),
        "by-hand": known(diamond()),
    }
    assert to_remove(["kept"], versions, "ours") == ["gone"]

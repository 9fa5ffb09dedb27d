"""Which targets an allow-list allows."""

import pytest

from recovery.access.allow_list import AllowedTargets, AllowList
from recovery.plan.model import Target
from recovery.plan.target_roles import TargetRoles

OWN = "123456789012"
OTHER = "222222222222"
ROLE = f"arn:aws:iam::{OTHER}:role/drs-waves"


def own_account() -> str:
    return OWN


def never() -> str:
    raise AssertionError("the worker's own account decides nothing here")


def listed(
    *accounts: str, regions: tuple[str, ...] = ("us-west-2",), roles: tuple[str, ...] | None = None
) -> AllowList:
    entry = AllowedTargets(account_ids=accounts, regions=regions, role_arns=roles)
    return AllowList((entry,), "list.yaml")


def is_allowed(allow_list: AllowList, region: str, role: str | None = None) -> bool:
    target = Target(region=region, role_arn=role)
    return allow_list.entry_of(target, own_account) is not None


def test_a_target_without_a_role_is_matched_by_the_account_the_worker_really_has() -> None:
    assert is_allowed(listed(OWN), "us-west-2")
    assert not is_allowed(listed(OTHER), "us-west-2")
    claims = Target(region="us-west-2", account_id=OTHER)
    assert listed(OTHER).entry_of(claims, own_account) is None


def test_a_role_is_matched_by_its_own_account_and_not_by_what_the_plan_says() -> None:
    allowed = listed(OWN, roles=("arn:aws:iam::*:role/drs-waves",))
    claims = Target(region="us-west-2", role_arn=ROLE, account_id=OWN)
    assert allowed.entry_of(claims, never) is None
    assert is_allowed(listed(OTHER, roles=(ROLE,)), "us-west-2", ROLE)


def test_an_entry_without_roles_allows_none_and_one_with_roles_needs_one() -> None:
    assert not is_allowed(listed("*"), "us-west-2", ROLE)
    assert not is_allowed(listed("*", roles=("*",)), "us-west-2")


@pytest.mark.parametrize(
    ("regions", "allowed"),
    [(("us-west-2",), True), (("us-*",), True), (("us-west-?",), True), (("*",), True),
     (("us-west-1", "us-west-2"), True), (("us-west",), False), (("eu-*",), False)],
)  # fmt: skip
def test_a_region_may_be_a_glob(regions: tuple[str, ...], allowed: bool) -> None:
    entry = AllowedTargets.model_construct(account_ids=("*",), regions=regions)
    assert is_allowed(AllowList((entry,), "list.yaml"), "us-west-2") is allowed


@pytest.mark.parametrize(
    "role",
    [
        f"arn:aws:iam::{OTHER}:role/drs-waves-admin",
        f"arn:aws:iam::{OTHER}:role/other/drs-waves",
        f"arn:aws:iam::{OTHER}:role/DRS-waves",
        "arn:aws:iam::222222222223:role/drs-waves",
        "arn:aws-cn:iam::222222222222:role/drs-waves",
    ],
)
def test_a_role_that_only_resembles_an_allowed_one_is_refused(role: str) -> None:
    assert not is_allowed(
        listed(OTHER, roles=("arn:aws:iam::*:role/drs-waves",)), "us-west-2", role
    )


def test_the_first_entry_that_allows_a_target_gives_its_external_id() -> None:
    entries = [
        AllowedTargets(
            account_ids=(account,), regions=("*",), role_arns=("*",), external_id=external_id
        )
        for account, external_id in ((OWN, "own-id"), (OTHER, "first-id"), ("*", "any-id"))
    ]
    allow_list = AllowList(tuple(entries), "list.yaml")
    entry = allow_list.entry_of(Target(region="us-west-2", role_arn=ROLE), never)
    assert entry is not None
    assert entry.external_id == "first-id"


def test_nobody_is_asked_for_the_account_where_no_entry_has_the_region() -> None:
    assert listed(OWN).entry_of(Target(region="eu-central-1"), never) is None


@pytest.mark.parametrize("accounts", [("*",), (OTHER, "*"), ("**",), ("?" * 12,), ("1*", "*?*")])
def test_nobody_is_asked_for_the_account_where_every_account_is_allowed(
    accounts: tuple[str, ...],
) -> None:
    narrow = AllowedTargets(account_ids=(OTHER,), regions=("*",))
    entry = AllowedTargets(account_ids=accounts, regions=("us-*",))
    allow_list = AllowList((narrow, entry), "list.yaml")
    assert allow_list.entry_of(Target(region="us-west-2"), never) is entry


@pytest.mark.parametrize("glob", ["?" * 11, "1*", "*1", "0*0"])
def test_a_glob_that_some_account_does_not_match_needs_the_account(glob: str) -> None:
    with pytest.raises(AssertionError):
        listed(glob).entry_of(Target(region="us-west-2"), never)


@pytest.mark.parametrize(
    ("target", "account_id", "said"),
    [
        (
            Target(region="eu-west-1", role_arn=ROLE),
            OTHER,
            f'{{AccountIds: ["{OTHER}"], Regions: [eu-west-1], RoleArns: ["{ROLE}"]}}',
        ),
        (Target(region="eu-west-1"), OWN, f'{{AccountIds: ["{OWN}"], Regions: [eu-west-1]}}'),
        (Target(region="eu-west-1"), None, "the worker's own account"),
    ],
)
def test_a_refusal_names_the_target_the_list_and_what_to_add(
    target: Target, account_id: str | None, said: str
) -> None:
    text = listed(OWN).refusal(target, account_id)
    assert text.startswith("eu-west-1 of ")
    assert "is not on the worker's allow-list (list.yaml), so nothing was called there" in text
    assert said in text
    assert "restart every worker" in text


@pytest.mark.parametrize("named", ["ops/look", f"arn:aws-us-gov:iam::{OTHER}:role/ops/look"])
def test_a_role_beside_the_one_that_a_plan_names_is_of_its_account(named: str) -> None:
    entry = AllowedTargets(
        account_ids=(OTHER,), regions=("*",), role_arns=("*",), external_id="id", look_role=named
    )
    launch = f"arn:aws-us-gov:iam::{OTHER}:role/launch"
    assert entry.roles_of(launch) == TargetRoles(
        launch=launch,
        look=f"arn:aws-us-gov:iam::{OTHER}:role/ops/look",
        terminate=launch,
        external_id="id",
    )

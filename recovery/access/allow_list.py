"""The allow-list of a worker: the targets that it may act in, and what steps may use there."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, model_validator

from recovery.access.allowed_steps import AllowedSteps
from recovery.base_model import StrictModel, matching
from recovery.plan.fields import ACCOUNT_ID_PATTERN, REGION_PATTERN, ROLE_ARN_PATTERN
from recovery.plan.model import Target
from recovery.plan.target_roles import TargetRoles


def _glob(pattern: str, characters: str, expected: str) -> Any:
    """A value of this pattern, or a glob of these characters with `*` and `?`."""

    def check(value: str) -> str:
        is_glob = "*" in value or "?" in value
        if not re.fullmatch(f"[*?{characters}]+" if is_glob else pattern, value):
            raise ValueError(f'"{value}" is not valid; write {expected}, or a glob with * or ?')
        return value

    return AfterValidator(check)


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("the list is empty; name at least one")
    return values


T = TypeVar("T")
Some = Annotated[tuple[T, ...], AfterValidator(_not_empty)]
_ROLE = "the ARN of an IAM role such as arn:aws:iam::123456789012:role/Recovery"
Account = Annotated[str, _glob(ACCOUNT_ID_PATTERN, "0-9", "the 12 digits of an account")]
Region = Annotated[str, _glob(REGION_PATTERN, "a-z0-9-", "a Region such as us-west-2")]
Role = Annotated[str, _glob(ROLE_ARN_PATTERN, "A-Za-z0-9+=,.@:_/-", _ROLE)]
OtherRole = Annotated[
    str,
    matching(
        rf"{ROLE_ARN_PATTERN}|[A-Za-z0-9+=,.@_/-]+",
        "the name of a role, or its ARN, without * or ?",
    ),
]
# Source: the API reference of AssumeRole.
ExternalId = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_+=,.@:/-]{2,1224}", "2 to 1,224 letters, digits or characters of _+=,.@:/-"
    ),
]


class AllowedTargets(StrictModel):
    """Targets that the worker may act in: each account with each Region and each role.

    Attributes:
        account_ids: globs of account IDs.
        regions: globs of Regions.
        role_arns: globs of the roles to assume; None: the worker's own credentials, without a role.
        external_id: what the roles' trust policies ask for.
        look_role: the role that reads, in the same account; None: the one that a plan names.
        terminate_role: likewise, the role that terminates recovery instances.
    """

    model_config = ConfigDict(frozen=True)

    account_ids: Some[Account]
    regions: Some[Region]
    role_arns: Some[Role] | None = None
    external_id: ExternalId | None = None
    look_role: OtherRole | None = None
    terminate_role: OtherRole | None = None

    @model_validator(mode="after")
    def _has_roles_that_fit(self) -> Self:
        others = {"LookRole": self.look_role, "TerminateRole": self.terminate_role}
        for key, value in {"ExternalId": self.external_id, **others}.items():
            if value is not None and self.role_arns is None:
                raise ValueError(f"{key} has no effect without RoleArns; add them, or remove it")
        for key, value in others.items():
            if value and value.startswith("arn:") and self.account_ids != (value.split(":")[4],):
                raise ValueError(
                    f"{key}: an ARN is of one account, and AccountIds are others; write the name "
                    "of the role, which it then has in each account"
                )
        return self

    def roles_of(self, role_arn: str) -> TargetRoles:
        """The roles in a target whose plan names a role."""
        prefix = role_arn.partition(":role/")[0]

        def arn(other: str | None) -> str:
            named = other or role_arn
            return named if named.startswith("arn:") else f"{prefix}:role/{named}"

        return TargetRoles(
            launch=role_arn,
            look=arn(self.look_role),
            terminate=arn(self.terminate_role),
            external_id=self.external_id,
        )

    def allow_somewhere(self, target: Target) -> bool:
        """Whether they have the target's Region and role, in whatever account."""
        if (target.role_arn is None) is not (self.role_arns is None):
            return False
        has_role = target.role_arn is None or _matches(target.role_arn, self.role_arns or ())
        return has_role and _matches(target.region, self.regions)

    def listed_targets(self) -> Iterator[Target]:
        """The targets that they name, as far as they are no globs."""
        for region in filter(_is_plain, self.regions):
            if self.role_arns is None:
                yield Target(region=region)
            for role_arn in self.role_arns or ():
                prefix, account, rest = _parts_of_role(role_arn)
                accounts = filter(_is_plain, self.account_ids)
                for each in [account] if _is_plain(account) else accounts:
                    named = f"{prefix}{each}:{rest}"
                    if _is_plain(named) and fnmatchcase(each, account):
                        yield Target(region=region, role_arn=named)

    @property
    def has_unlisted_targets(self) -> bool:
        """Whether they allow targets that `listed_targets` cannot name."""
        roles = [_parts_of_role(each) for each in self.role_arns or ()]
        account_decides = any(not _is_plain(account) for _, account, _ in roles)
        globs = [*self.regions, *(rest for _, _, rest in roles)]
        globs += self.account_ids if account_decides else ()
        return not all(map(_is_plain, globs))

    @property
    def allow_any_account(self) -> bool:
        """Whether a glob has all accounts, so that which one it is decides nothing."""
        return _matches("0" * 12, tuple(each for each in self.account_ids if not each.strip("*?")))


class AllowListFile(StrictModel):
    """The file of an allow-list."""

    targets: Some[AllowedTargets]
    steps: AllowedSteps = AllowedSteps()


@dataclass(frozen=True)
class AllowList:
    """An allow-list.

    Attributes:
        targets: the targets; what none of them has is not allowed.
        source: the file or the setting that it is from.
        steps: what steps may use.
    """

    targets: tuple[AllowedTargets, ...]
    source: str
    steps: AllowedSteps = field(default_factory=AllowedSteps)

    def entry_of(self, target: Target, own_account: Callable[[], str]) -> AllowedTargets | None:
        """The entry that allows a target; None if the worker must not act in it.

        For a role it is the first one. Without a role they do not differ: none has an external ID.

        Args:
            target: where to act; its `account_id` is what a plan says, and does not count.
            own_account: looks up the account of the worker's own credentials; called only if it
                decides.
        """
        entries = [each for each in self.targets if each.allow_somewhere(target)]
        if not entries:
            return None
        any_account = next((each for each in entries if each.allow_any_account), None)
        if target.role_account_id is None and any_account is not None:
            return any_account
        account_id = target.role_account_id or own_account()
        return next((each for each in entries if _matches(account_id, each.account_ids)), None)

    def refusal(self, target: Target, account_id: str | None) -> str:
        """Why the worker does not act in a target, and what to do.

        Args:
            target: the target, which is not allowed.
            account_id: its account; None if it is the worker's own and was not looked up.
        """
        account = f"account {account_id}" if account_id else "the worker's own account"
        role = "this role" if target.role_arn else "the worker's own role"
        entry = f'AccountIds: ["{account_id or "…"}"], Regions: [{target.region}]'
        entry += f', RoleArns: ["{target.role_arn}"]' if target.role_arn else ""
        return (
            f"{target.region} of {account} with {role} is not on the worker's allow-list "
            f"({self.source}), so nothing was called there. Correct the plan; or add this to "
            f"Targets of the list, and restart every worker: {{{entry}}}"
        )


def _is_plain(text: str) -> bool:
    """Whether it is no glob."""
    return not set(text) & set("*?")


def _parts_of_role(arn: str) -> tuple[str, str, str]:
    """What stands before its account, the account, and what stands behind it.

    A glob may have fewer colons than an ARN; then all of it is one glob.
    """
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return "", "*", arn
    return ":".join(parts[:4]) + ":", parts[4], parts[5]


def _matches(value: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)

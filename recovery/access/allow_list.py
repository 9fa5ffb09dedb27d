"""The allow-list of a worker: the targets that it may act in, and what its steps may call."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, model_validator

from recovery.access.step_resources import NeededResource, ResourceKind, StepResource
from recovery.base_model import StrictModel, matching
from recovery.plan.fields import ACCOUNT_ID_PATTERN, REGION_PATTERN, ROLE_ARN_PATTERN
from recovery.plan.model import Target
from recovery.text_format import visible


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
# Source: the API reference of AssumeRole.
ExternalId = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_+=,.@:/-]{2,1224}", "2 to 1,224 letters, digits or characters of _+=,.@:/-"
    ),
]
# Without [ and ], which have a meaning in globs. Hosts are compared in small letters.
Name = Annotated[
    str, matching(r"[^\x00-\x20\x7f\[\]]{1,2048}", "a name without spaces, or a glob with * or ?")
]
Host = Annotated[
    str, matching(r"[a-z0-9._:*?-]{1,253}", "a host or address in small letters without a port")
]
# What is written otherwise is not read alike by all that read URLs.
_PLAIN_HOST = re.compile(r"[a-z0-9._:-]+")


class AllowedTargets(StrictModel):
    """Targets that the worker may act in: each account with each Region and each role.

    Attributes:
        account_ids: globs of account IDs.
        regions: globs of Regions.
        role_arns: globs of the roles to assume; None: the worker's own credentials, without a role.
        external_id: what the roles' trust policies ask for.
    """

    model_config = ConfigDict(frozen=True)

    account_ids: Some[Account]
    regions: Some[Region]
    role_arns: Some[Role] | None = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _has_a_role_for_the_external_id(self) -> Self:
        if self.external_id is not None and self.role_arns is None:
            raise ValueError("ExternalId has no effect without RoleArns; add them, or remove it")
        return self

    def allow_somewhere(self, target: Target) -> bool:
        """Whether they have the target's Region and role, in whatever account."""
        if (target.role_arn is None) is not (self.role_arns is None):
            return False
        has_role = target.role_arn is None or _matches(target.role_arn, self.role_arns or ())
        return has_role and _matches(target.region, self.regions)

    @property
    def allow_any_account(self) -> bool:
        """Whether a glob has all accounts, so that which one it is decides nothing."""
        return _matches("0" * 12, tuple(each for each in self.account_ids if not each.strip("*?")))


class AllowListFile(StrictModel):
    """The file of an allow-list; of a kind without a list, steps may call nothing.

    Attributes:
        targets: where the worker may act.
        documents: globs of the documents of Systems Manager, as plans name them.
        functions: globs of Lambda functions, as plans name them.
        hosts: globs of hosts and addresses, without ports.
        hosted_zones: globs of the IDs of hosted zones.
        routing_controls: globs of the ARNs of routing controls.
        task_queues: globs of the task queues of other workers.
    """

    targets: Some[AllowedTargets]
    documents: Some[Name] = ()
    functions: Some[Name] = ()
    hosts: Some[Host] = ()
    hosted_zones: Some[Name] = ()
    routing_controls: Some[Name] = ()
    task_queues: Some[Name] = ()

    @property
    def resources(self) -> dict[ResourceKind, tuple[str, ...]]:
        """The globs of what steps may call."""
        fields = type(self).model_fields.items()
        by_key = {str(each.alias): getattr(self, name) for name, each in fields}
        return {kind: by_key[kind] for kind in ResourceKind}


@dataclass(frozen=True)
class AllowList:
    """An allow-list.

    Attributes:
        targets: the targets; what none of them has is not allowed.
        source: the file or the setting that it is from.
        resources: globs of what steps may call or connect to.
    """

    targets: tuple[AllowedTargets, ...]
    source: str
    resources: Mapping[ResourceKind, tuple[str, ...]] = field(default_factory=dict)

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

    def allows(self, resource: StepResource) -> bool:
        """Whether steps may call or connect to it."""
        is_plain = resource.kind is not ResourceKind.HOST or _PLAIN_HOST.fullmatch(resource.name)
        return bool(is_plain) and _matches(resource.name, self.resources.get(resource.kind, ()))

    def resource_refusal(self, resource: StepResource) -> str:
        """Why steps do not call or connect to it, and what to do."""
        kind, name = resource.kind, json.dumps(resource.name, ensure_ascii=False)
        used_by = f" ({resource.used_by})" if isinstance(resource, NeededResource) else ""
        return (
            f"{visible(resource.name)}{used_by} is not in {kind} of the worker's allow-list "
            f"({self.source}), so it was not called. Correct the plan; or add this to {kind} of "
            f"the list, and restart every worker: {visible(name)}"
        )


def _matches(value: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)

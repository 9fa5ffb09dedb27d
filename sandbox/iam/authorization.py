"""Checks calls by the policies that moto's IAM has of their caller.

A user or a role that IAM has is held to its policies. Everybody else may do everything: an access
key that IAM does not have, such as an account's ID, is that of the account's owner, and so is the
session of a role that IAM does not have, which only an owner can assume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from sandbox.http.aws_call import Call
from sandbox.iam.actions import needed_actions
from sandbox.iam.policies import DIRECT, Context, allows, called_via, trusts

_ASSUME_ROLE = "sts.AssumeRole"
# Which IAM allows to everybody.
_FREE = ("sts:GetCallerIdentity",)


@dataclass
class Simulated:
    """What IAM's simulation of policies answers from, beside policies.

    Attributes:
        denies: whether an action is denied in an account.
    """

    denies: Callable[[str, str], bool] = lambda action, account_id: False


simulated = Simulated()


@dataclass(frozen=True)
class Principal:
    """A user or a role, with its policies."""

    arn: str
    account_id: str
    documents: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What a trust policy may name it."""
        partition = self.arn.split(":")[1]
        root = f"arn:{partition}:iam::{self.account_id}:root"
        return self.arn, root, self.account_id


def principal_of(access_key: str, account_id: str) -> Principal | None:
    """Return who calls with an access key, or None for the owner of the account."""
    for partition, backend in _backends(account_id):
        key = backend.access_keys.get(access_key)
        if key is None:
            continue
        if key.role_arn is None:
            user = backend.get_user(key.user_name)
            return Principal(user.arn, account_id, tuple(_documents(user)))
        return role(key.role_arn, partition)
    return None


def role(arn: str, partition: str = "aws") -> Principal | None:
    """Return a role, or None if IAM does not have it."""
    account_id = arn.split(":")[4]
    try:
        found = iam_backends[account_id][partition].get_role_by_arn(arn)
    except NotFoundException:
        return None
    return Principal(arn, account_id, tuple(_documents(found)))


def _backends(account_id: str) -> Iterator[tuple[str, Any]]:
    # A lookup by index in moto's BackendDict would create the backend.
    yield from (iam_backends.get(account_id) or {}).items()


def _documents(identity: Any) -> Iterator[str]:
    yield from identity.policies.values()
    for policy in identity.managed_policies.values():
        yield next(each.document for each in policy.versions if each.is_default)


def lacked(call: Call) -> str | None:
    """Return why IAM denies an API call, naming the action; None if it allows the call."""
    principal = principal_of(call.access_key, call.account_id)
    if principal is None:
        return None
    resource = None
    parameters: dict[str, list[str]] = {}
    if call.name == _ASSUME_ROLE:
        parameters = parse_qs(call.body)
        (resource,) = parameters["RoleArn"]
    for action in needed_actions(call):
        if action not in _FREE and not allows(principal.documents, action, resource=resource):
            return _denied(principal, action, "because no identity-based policy allows the action")
        if resource and not _is_trusted(principal, resource, action, parameters):
            return _denied(principal, action, f"on resource: {resource}")
    return None


def first_lacked(
    access_key: str, account_id: str, actions: Iterable[str], service: str
) -> str | None:
    """Return the first action that a service may not do for its caller, or None."""
    principal = principal_of(access_key, account_id)
    if principal is None:
        return None
    context = called_via(service)
    return next((a for a in actions if not allows(principal.documents, a, context)), None)


def is_simulated_as_denied(action: str, principal_arn: str, account_id: str) -> bool:
    """Whether IAM's simulation of a principal's policies denies an action."""
    found = role(principal_arn) if ":role/" in principal_arn else None
    return simulated.denies(action, account_id) or (
        found is not None and not allows(found.documents, action)
    )


def _is_trusted(
    principal: Principal, role_arn: str, action: str, parameters: dict[str, list[str]]
) -> bool:
    account_id = role_arn.split(":")[4]
    try:
        document = iam_backends[account_id]["aws"].get_role_by_arn(role_arn)
    except NotFoundException:
        return False
    names = ("ExternalId", "RoleSessionName", "SourceIdentity")
    context: Context = {
        **DIRECT,
        **{f"sts:{name.lower()}": parameters.get(name, []) for name in names},
        "aws:principalarn": [principal.arn],
    }
    trust = document.assume_role_policy_document
    return trusts(trust, principal.names, action, context)


def _denied(principal: Principal, action: str, why: str) -> str:
    return f"User: {principal.arn} is not authorized to perform: {action} {why}"

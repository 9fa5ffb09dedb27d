"""What documents of policies allow: pure functions.

Moto takes a statement that is limited to resources for no permission, and one with a condition for
a denial, so it cannot check a policy of least privilege. Here a condition counts as met unless its
key is known, and resources count only where the caller names one: what is limited too far, or not
enough, is for a check of the document itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

# The values of keys of conditions; an empty one is a key that the request does not have.
Context = Mapping[str, Sequence[str]]

DIRECT: Context = {"aws:viaawsservice": ["false"], "aws:calledvia": [], "aws:calledvialast": []}


def called_via(service: str) -> Context:
    """Return the context of a call that a service makes with the credentials of its caller."""
    name = f"{service}.amazonaws.com"
    names = ("aws:calledvia", "aws:calledviafirst", "aws:calledvialast")
    return {"aws:viaawsservice": ["true"], **{key: [name] for key in names}}


def allows(
    documents: Sequence[str], action: str, context: Context = DIRECT, resource: str | None = None
) -> bool:
    """Whether policies of an identity allow an action; a Deny that holds wins."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _statements(document)
        if _names(statement, action)
        and (
            resource is None or any(_like(resource, each) for each in _list(statement["Resource"]))
        )
        and _conditions_hold(statement, context)
    }
    return effects == {"Allow"}


def trusts(document: str, principals: Sequence[str], action: str, context: Context) -> bool:
    """Whether the trust policy of a role allows an action to one of these principals."""
    effects = {
        statement["Effect"]
        for statement in _statements(document)
        if _names(statement, action)
        and {"*", *principals} & set(_list(_aws_principals(statement)))
        and _conditions_hold(statement, context)
    }
    return effects == {"Allow"}


@lru_cache(maxsize=1000)
def _parsed(document: str) -> Any:
    return json.loads(document)


def _statements(document: str) -> Iterator[dict[str, Any]]:
    for statement in _list(_parsed(document)["Statement"]):
        if {"NotAction", "NotResource", "NotPrincipal"} & statement.keys():
            raise NotImplementedError(f"the sandbox does not evaluate {statement}")
        yield statement


def _aws_principals(statement: dict[str, Any]) -> Any:
    principal = statement["Principal"]
    return principal.get("AWS", []) if isinstance(principal, dict) else principal


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(statement: dict[str, Any], action: str) -> bool:
    return any(_like(action.lower(), each.lower()) for each in _list(statement["Action"]))


def _is_on(statement: dict[str, Any], resource: str) -> bool:
    return any(_like(resource, each) for each in _list(statement["Resource"]))


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _conditions_hold(statement: dict[str, Any], context: Context) -> bool:
    return all(
        _holds(operator, context[key.lower()], [str(each) for each in _list(expected)])
        if key.lower() in context
        else statement["Effect"] == "Allow"
        for operator, keys in statement.get("Condition", {}).items()
        for key, expected in keys.items()
    )


def _holds(operator: str, actual: Sequence[str], expected: Sequence[str]) -> bool:
    name = operator.rpartition(":")[2]
    if name == "Null":
        return (not actual) == (expected[0].lower() == "true")
    if not actual:
        return name.endswith("IfExists") or "Not" in name
    if "Like" in name or name.startswith("Arn"):
        met = any(_like(value, each) for value in actual for each in expected)
    elif name.removesuffix("IfExists") in ("StringEquals", "StringNotEquals", "Bool"):
        met = any(value.lower() == each.lower() for value in actual for each in expected)
    else:
        raise NotImplementedError(f"the sandbox does not evaluate the condition {operator}")
    return met != ("Not" in name)

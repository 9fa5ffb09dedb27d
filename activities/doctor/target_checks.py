"""Checks the targets that a worker acts in: sign-in, DRS, permissions, and AWS's clock."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from activities.doctor.bounded import bounded, together
from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.service_client import ServiceClient
from aws.sessions import call, threads_by_target
from aws.targets import TargetClients
from recovery.doctor.check import Check, Part
from recovery.doctor.installation import clock_check
from recovery.doctor.permissions import (
    SIMULATE,
    Permission,
    PermissionEvidence,
    permission_checks,
    permissions_of,
    principal_of,
    simulated_context,
    simulated_resources,
)
from recovery.plan.model import Target
from recovery.plan.target_roles import TargetRole, TargetRoles

_AT_ONCE = 20
_TARGET_SECONDS = 20.0
_ALLOWED, _CONDITIONAL = "allowed", "conditional"


class TargetChecks:
    """Checks targets, some at a time; it changes nothing."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        self._services = ServiceClient(clients)
        self._threads_of = threads_by_target()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check_all(self, targets: Iterable[Target], seconds: float) -> list[Check]:
        """Check targets; of what is not checked after some seconds nothing is known."""
        until = time.monotonic() + seconds
        return await together(*(self._check_in_turn(each, until) for each in targets))

    async def _check_in_turn(self, target: Target, until: float) -> list[Check]:
        where = _named(target)
        async with self._slots:
            seconds = min(_TARGET_SECONDS, until - time.monotonic())
            if seconds <= 0:
                why = "not checked: the checks of other targets took too long"
                return [Check.skipped(Part.TARGETS, where, why)]
            return await bounded(Part.TARGETS, where, self._check(target, where), seconds)

    async def _check(self, target: Target, where: str) -> list[Check]:
        try:
            before = time.time()
            caller = await self._services.read(target, "sts", "get_caller_identity")
            ahead = clock_ahead(before, time.time(), caller)
            account_id = await self._clients.looks(target).account_id()
            roles = await call(
                self._threads_of(target), "AssumeRole", self._clients.sessions.roles_of, target
            )
        except TargetRefusedError as refused:
            return [Check.fail(Part.TARGETS, where, str(refused))]
        except AwsError as error:
            return [_no_sign_in(where, target, error)]
        caller_arn = str(caller["Arn"])
        checks = await together(
            self._drs(target, where, account_id),
            *(self._role(target, e, caller_arn) for e in _unchecked(target, roles, caller_arn)),
        )
        return [_clock_check(where, ahead), *checks]

    async def _drs(self, target: Target, where: str, account_id: str) -> list[Check]:
        try:
            endpoint, _ = await self._clients.looks(target).endpoints()
        except AwsError as error:
            return [_no_sign_in(where, target, error)]
        place = f"signs in to account {account_id} at {endpoint}"
        try:
            await self._services.read(target, "drs", "describe_source_servers", maxResults=1)
        except AwsError as error:
            if error.operation == "AssumeRole":
                # The check of that role says it.
                return []
            if error.kind is AwsErrorKind.ACCESS_DENIED:
                # A check of permissions says it.
                return [Check.ok(Part.TARGETS, where, f"{place}; DRS answers")]
            action = (
                "See docs/permissions.md; is the Region right, and are its endpoints reachable?"
            )
            return [Check.fail(Part.TARGETS, where, f"{place}, but: {error}", action)]
        return [Check.ok(Part.TARGETS, where, f"{place}; DRS answers")]

    async def _role(
        self, target: Target, evidence: PermissionEvidence, caller_arn: str
    ) -> list[Check]:
        """Assume a role, which may be needed at a clean-up only, and check its permissions."""
        assume = self._clients.sessions.assume
        try:
            for role in evidence.roles:
                await call(self._threads_of(target), "AssumeRole", assume, target, role)
        except AwsError as error:
            return [_no_sign_in(evidence.where, target, error)]
        await self._permissions(target, evidence, caller_arn)
        return list(permission_checks(evidence))

    async def _permissions(
        self, target: Target, evidence: PermissionEvidence, caller_arn: str
    ) -> None:
        permissions = permissions_of(evidence.roles)
        reads = (self._try_read(target, each, evidence) for each in permissions if each.read)
        await asyncio.gather(self._simulate(target, evidence, caller_arn), *reads)
        # A call shows more than a simulation, which sees no policy of the organization.
        for action in evidence.read:
            evidence.denied.pop(action, None)
            evidence.unread.pop(action, None)
        for action in evidence.denied:
            evidence.unread.pop(action, None)
        evidence.simulated = [each for each in evidence.simulated if each not in evidence.denied]

    async def _try_read(
        self, target: Target, permission: Permission, evidence: PermissionEvidence
    ) -> None:
        assert permission.read is not None
        service, method, request = permission.read
        try:
            await self._services.read(target, service, method, **request)
        except AwsError as error:
            is_denied = error.kind is AwsErrorKind.ACCESS_DENIED
            failed = evidence.denied if is_denied else evidence.unread
            failed[permission.action] = str(error)
        else:
            evidence.read.append(permission.action)

    async def _simulate(self, target: Target, evidence: PermissionEvidence, caller: str) -> None:
        if evidence.principal is None:
            evidence.not_simulated = "a root user's permissions cannot be simulated"
            return
        results: dict[str, str] = {}
        try:
            for in_job in (False, True):
                permissions = permissions_of(evidence.roles)
                actions = [each.action for each in permissions if each.in_job is in_job]
                for service in (None, "drs", "ec2"):
                    # A policy may allow an action on some resources only.
                    left = [a for a in actions if results.get(a) != _ALLOWED]
                    left = [a for a in left if service is None or a.startswith(f"{service}:")]
                    if left:
                        on = simulated_resources(service or "", target.region, caller)
                        results |= await self._simulated(
                            target, evidence.principal, left, on, in_job=in_job
                        )
        except AwsError as error:
            evidence.not_simulated = str(error)
            return
        for action, decision in results.items():
            if decision == _ALLOWED:
                evidence.simulated.append(action)
            elif decision == _CONDITIONAL:
                evidence.unread[action] = "a condition of a policy decides"
            else:
                evidence.denied[action] = f"{SIMULATE} says {decision}"

    async def _simulated(
        self,
        target: Target,
        principal: str,
        actions: list[str],
        resources: list[str],
        *,
        in_job: bool,
    ) -> dict[str, str]:
        """The decisions about actions on one of these resources, or on all."""
        request: dict[str, Any] = {"PolicySourceArn": principal, "ActionNames": actions}
        request["ContextEntries"] = simulated_context(in_job=in_job)
        if resources:
            request["ResourceArns"] = resources
        answer = await self._services.read(
            target, "iam", "simulate_principal_policy", MaxItems=1000, **request
        )
        return {each["EvalActionName"]: decision_of(each) for each in answer["EvaluationResults"]}


def decision_of(result: Mapping[str, Any]) -> str:
    """The decision about an action: allowed, if it is so on one of the resources."""
    on_resources = result.get("ResourceSpecificResults", [])
    decisions = [each["EvalResourceDecision"] for each in on_resources]
    if _ALLOWED in (result["EvalDecision"], *decisions):
        return _ALLOWED
    missing = result.get("MissingContextValues") or any(
        each.get("MissingContextValues") for each in on_resources
    )
    is_explicit = "explicitDeny" in (result["EvalDecision"], *decisions)
    return _CONDITIONAL if missing and not is_explicit else str(result["EvalDecision"])


def _unchecked(
    target: Target, roles: TargetRoles | None, caller_arn: str
) -> Iterator[PermissionEvidence]:
    """The evidence of each role of IAM that acts in a target, of which nothing is known yet."""
    by_arn = roles.by_arn() if roles else {None: list(TargetRole)}
    for arn, kinds in by_arn.items():
        yield PermissionEvidence(
            where=_named(target.model_copy(update={"role_arn": arn})),
            roles=tuple(kinds),
            principal=principal_of(caller_arn, arn),
            simulator=principal_of(caller_arn, roles.look if roles else None),
        )


def _named(target: Target) -> str:
    return f"{target.region} as {target.role_arn}" if target.role_arn else target.region


def _no_sign_in(where: str, target: Target, error: AwsError) -> Check:
    action = "Correct the worker's credentials"
    if target.role_arn:
        action = "Correct the role's trust policy, its name, or its ExternalId on the allow-list"
    if error.is_clock_skew:
        action = "Synchronize the worker's clock"
    return Check.fail(Part.TARGETS, where, f"cannot sign in: {error}", action)


def clock_ahead(before: float, after: float, response: Mapping[str, Any]) -> float | None:
    """By how many seconds this clock is certainly ahead of AWS's; None if AWS does not say.

    Args:
        before: when the call was made (epoch seconds).
        after: when its response came.
        response: of AWS, whose time is between these two if the clocks agree, in whole seconds.
    """
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, before - theirs - 1.0) + min(0.0, after - theirs)


def _clock_check(where: str, ahead: float | None) -> Check:
    subject = f"worker and AWS {where}"
    if ahead is None:
        return Check.skipped(Part.CLOCKS, subject, "AWS's response has no Date")
    return clock_check(subject, ahead)

"""Checks the targets that a worker acts in: sign-in, account, DRS, permissions, and AWS's clock."""

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Any

from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from aws.service_client import ServiceClient
from aws.targets import TargetClients
from recovery.doctor.check import Check, Part
from recovery.doctor.installation import clock_check
from recovery.doctor.permissions import (
    PERMISSIONS,
    SIMULATE,
    Permission,
    PermissionEvidence,
    permission_checks,
    principal_of,
)
from recovery.plan.model import Target

# An account's roles are few; a target more than this is one of many that answer alike.
_AT_ONCE = 10
_ALLOWED = "allowed"


class TargetChecks:
    """Checks targets, some at a time; it changes nothing."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        self._services = ServiceClient(clients)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check(self, target: Target) -> list[Check]:
        """Check one target.

        Raises:
            AwsError: STS did not say who acts there.
        """
        where = _named(target)
        async with self._slots:
            try:
                caller = await self._services.read(target, "sts", "get_caller_identity")
                account_id = await self._clients.looks(target).account_id()
            except TargetRefusedError as refused:
                return [Check.fail(Part.TARGETS, where, str(refused))]
            except AwsError as error:
                return [_no_sign_in(where, target, error)]
            return [
                *(_clock(where, caller)),
                *(await self._drs(target, where, account_id)),
                *permission_checks(await self._permissions(target, where, str(caller["Arn"]))),
            ]

    async def _drs(self, target: Target, where: str, account_id: str) -> list[Check]:
        place = f"signs in to account {account_id} at {self._clients.looks(target).endpoint}"
        try:
            await self._services.read(target, "drs", "describe_source_servers", maxResults=1)
        except AwsError as error:
            if error.kind is AwsErrorKind.ACCESS_DENIED:
                # A check of permissions says it.
                return [Check.ok(Part.TARGETS, where, f"{place}; DRS answers")]
            action = (
                "See docs/permissions.md; is the Region right, and are its endpoints reachable?"
            )
            return [Check.fail(Part.TARGETS, where, f"{place}, but: {error}", action)]
        return [Check.ok(Part.TARGETS, where, f"{place}; DRS answers")]

    async def _permissions(self, target: Target, where: str, caller_arn: str) -> PermissionEvidence:
        evidence = PermissionEvidence(
            where=where, principal=principal_of(caller_arn, target.role_arn)
        )
        reads = (self._try_read(target, each, evidence) for each in PERMISSIONS if each.read)
        await asyncio.gather(self._simulate(target, evidence), *reads)
        return evidence

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

    async def _simulate(self, target: Target, evidence: PermissionEvidence) -> None:
        if evidence.principal is None:
            evidence.not_simulated = "a root user's permissions cannot be simulated"
            return
        try:
            answer = await self._services.read(
                target,
                "iam",
                "simulate_principal_policy",
                PolicySourceArn=evidence.principal,
                ActionNames=[each.action for each in PERMISSIONS],
                MaxItems=len(PERMISSIONS),
            )
        except AwsError as error:
            evidence.not_simulated = str(error)
            return
        for each in answer["EvaluationResults"]:
            action, decision = each["EvalActionName"], each["EvalDecision"]
            if decision == _ALLOWED:
                evidence.simulated.append(action)
            elif action not in evidence.read:
                # A condition of the policy may allow it where a call shows that it does.
                evidence.denied.setdefault(action, f"{SIMULATE} says {decision}")


def _named(target: Target) -> str:
    return f"{target.region} as {target.role_arn}" if target.role_arn else target.region


def _no_sign_in(where: str, target: Target, error: AwsError) -> Check:
    action = "Correct the worker's credentials"
    if target.role_arn:
        action = "Correct the role's trust policy, its ExternalId on the allow-list, or RoleArn"
    if error.is_clock_skew:
        action = "Synchronize the worker's clock"
    return Check.fail(Part.TARGETS, where, f"cannot sign in: {error}", action)


def _clock(where: str, response: Any) -> list[Check]:
    """The worker's clock compared with the one of AWS, whose header has whole seconds."""
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return [Check.skipped(Part.CLOCKS, f"worker and AWS {where}", "AWS's response has no Date")]
    return [clock_check(f"worker and AWS {where}", time.time() - theirs)]

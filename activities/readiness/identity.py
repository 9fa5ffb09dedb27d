"""Reads in which account the worker acts in a target, and whether it may act there."""

import asyncio

from activities.readiness.look import Look, failed_read
from aws.errors import AwsError, AwsErrorKind, TargetRefusedError
from contract.readiness import TargetContext
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.subjects.identity import IdentityEvidence
from settings import is_loopback

_RESPONSE_SECONDS = 20.0


async def read_identity(look: Look) -> tuple[TargetContext, IdentityEvidence]:
    """The target as the worker sees it, and the evidence of the subject."""
    target = look.target
    context = TargetContext(region=target.region, role_arn=target.role_arn)
    evidence = IdentityEvidence()
    try:
        async with asyncio.timeout(_RESPONSE_SECONDS):
            context.account_id = await look.drs.account_id()
            context.endpoint, context.other_endpoints = await look.drs.endpoints()
    except TargetRefusedError as error:
        context.error, context.mismatch = str(error), True
        is_listed = error.kind is not AwsErrorKind.NOT_ALLOWED
        evidence = IdentityEvidence(refusal=str(error), is_allowed=is_listed)
    except AwsError as error:
        context.error = str(error)
        evidence = IdentityEvidence(
            failed=failed_read("sts", error), has_no_role=error.operation == "AssumeRole"
        )
    except TimeoutError:
        context.error = f"AWS did not answer in {_RESPONSE_SECONDS:g} s"
        evidence = IdentityEvidence(
            failed=FailedRead(action="sts:GetCallerIdentity", error=context.error)
        )
    context.is_sandbox = is_loopback(context.endpoint)
    return context, evidence

"""Calls to any service of a target, as steps need them."""

import math
from typing import Any

from aws.errors import AwsError, AwsErrorKind
from aws.late_calls import Sending, refuse_late_calls, sending_as
from aws.sessions import READ_TIMEOUT_SECONDS, CallThreads, Endpoint, call, threads_by_target
from aws.targets import TargetClients
from recovery.plan.model import Target

# A function may answer after 15 minutes, and each call holds a thread until then.
_LONG_CALLS = 500


class ServiceClient:
    """Calls operations of boto3's clients in targets, each target with threads of its own."""

    def __init__(self, clients: TargetClients) -> None:
        self._clients = clients
        self._threads_of = threads_by_target()
        self._long_calls = CallThreads(_LONG_CALLS)

    async def read(
        self,
        target: Target,
        service: str,
        method: str,
        *,
        endpoint: Endpoint | None = None,
        **request: Any,
    ) -> Any:
        """Call an operation that changes nothing; botocore may repeat it.

        Args:
            target: where.
            service: boto3's name of it.
            method: boto3's name of the operation, such as `describe_instances`.
            endpoint: another one than the target's Region's.
            request: its arguments.

        Raises:
            AwsError: the call failed.
        """
        await self._clients.drs(target).check()
        threads, operation = self._threads_of(target), _operation(method)
        client = await call(
            threads,
            operation,
            self._clients.sessions.client,
            service,
            target,
            retries=endpoint is None,
            endpoint=endpoint,
        )
        return await call(threads, operation, getattr(client, method), **request)

    async def change(
        self,
        target: Target,
        service: str,
        method: str,
        *,
        not_after: float = math.inf,
        read_seconds: int = READ_TIMEOUT_SECONDS,
        endpoint: Endpoint | None = None,
        **request: Any,
    ) -> Any:
        """Call an operation that has an effect; botocore never repeats it.

        Args:
            target: where; its account must be the one that the plan names.
            service: boto3's name of it.
            method: boto3's name of the operation.
            not_after: do not send the call after this time (`time.monotonic`).
            read_seconds: how long to wait for the answer.
            endpoint: another one than the target's Region's.
            request: its arguments.

        Raises:
            AwsError: the call failed; by its kind, it may have had its effect.
        """
        is_long = read_seconds > READ_TIMEOUT_SECONDS
        threads = self._long_calls if is_long else self._threads_of(target)
        sending = Sending(not_after)

        def send() -> Any:
            client = self._clients.sessions.client(
                service, target, retries=False, read_seconds=read_seconds, endpoint=endpoint
            )
            refuse_late_calls(client)
            with sending_as(sending):
                answer = getattr(client, method)(**request)
            # The payload of a function's answer is still to be read.
            return {k: v.read() if hasattr(v, "read") else v for k, v in answer.items()}

        try:
            await self._clients.drs(target).check(changes=True)
            return await call(threads, _operation(method), send)
        except AwsError as error:
            if sending.began or error.kind.had_no_effect:
                raise
            raise AwsError(AwsErrorKind.UNREACHABLE, str(error)) from error


def _operation(method: str) -> str:
    """AWS's name of an operation."""
    return "".join(word.capitalize() for word in method.split("_"))

"""Reads secrets where references say that they are."""

import asyncio
import os
import time

from activities.notify.delivery import TIMEOUT_SECONDS, DeliveryError
from aws.errors import AwsError
from aws.sessions import CallThreads, OwnClients, call
from recovery.notify.channels import SecretReference

_CACHED_SECONDS = 60.0


class SecretReader:
    """Reads secrets when they are used, and keeps each for a minute."""

    def __init__(self, clients: OwnClients) -> None:
        self._clients = clients
        self._threads = CallThreads()
        # By its JSON, a reference's secret and until when it is kept (monotonic seconds).
        self._kept: dict[str, tuple[str, float]] = {}

    async def read(self, reference: SecretReference) -> str:
        """The secret of a reference.

        Raises:
            DeliveryError: it cannot be read; names the reference only.
        """
        if reference.env is not None:
            return _not_empty(os.environ.get(reference.env, ""), reference)
        key = reference.model_dump_json()
        secret, until = self._kept.get(key, ("", 0.0))
        if not secret or time.monotonic() > until:
            secret = _not_empty(await self._look_up(reference), reference)
            self._kept[key] = (secret, time.monotonic() + _CACHED_SECONDS)
        return secret

    async def _look_up(self, reference: SecretReference) -> str:
        def look_up() -> str:
            if reference.secrets_manager is not None:
                secrets = self._clients.client("secretsmanager", reference.region)
                answer = secrets.get_secret_value(SecretId=reference.secrets_manager)
                return str(answer.get("SecretString", ""))
            parameters = self._clients.client("ssm", reference.region)
            answer = parameters.get_parameter(Name=reference.ssm_parameter, WithDecryption=True)
            return str(answer["Parameter"].get("Value", ""))

        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return str(await call(self._threads, "Reading it", look_up))
        except (AwsError, TimeoutError) as error:
            reason = str(error) or f"no response within {TIMEOUT_SECONDS:g} s"
            raise DeliveryError(f"the {reference} cannot be read: {reason}") from error


def _not_empty(secret: str, reference: SecretReference) -> str:
    if not secret.strip():
        raise DeliveryError(f"the {reference} is not set or is empty", is_permanent=True)
    return secret.strip()

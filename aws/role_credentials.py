"""Credentials of a role: one session in STS for each execution and actor that calls are for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from threading import Lock
from typing import Any

from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import ClientError

from aws.errors import AwsError
from recovery.access.session_identity import SessionIdentity

_logger = logging.getLogger(__name__)
_WORKER = SessionIdentity()
_acting_for: ContextVar[SessionIdentity] = ContextVar("acting_for", default=_WORKER)
# Each has a few kilobytes. More than the executions of an hour, after which a session ends.
_SESSIONS = 2000
# What a role may refuse, with the permission that it takes, and what CloudTrail lacks without it.
_OPTIONAL = {
    "SourceIdentity": ("sts:SetSourceIdentity", "source identity"),
    "Tags": ("sts:TagSession", "session tags"),
}


@contextmanager
def acting_for(identity: SessionIdentity | None) -> Iterator[None]:
    """Name the sessions of the calls inside the block; None: after the worker."""
    token = _acting_for.set(identity or _WORKER)
    try:
        yield
    finally:
        _acting_for.reset(token)


class RoleCredentials(Credentials):
    """The credentials of a role that all clients of a target share.

    A call is signed with those of the session for whom it is made (`acting_for`), so another
    execution costs one AssumeRole, and neither clients nor connections of its own.
    """

    def __init__(self, sts: Any, role_arn: str, external_id: str | None) -> None:
        """Prepare.

        Args:
            sts: a client of STS with the worker's own credentials.
            role_arn: the role.
            external_id: what its trust policy asks for, from the allow-list.
        """
        super().__init__("", "", method="assume-role")
        self._sts = sts
        self._role = {"RoleArn": role_arn} | ({"ExternalId": external_id} if external_id else {})
        self._lock = Lock()
        self._sessions = lru_cache(maxsize=_SESSIONS)(self._session_for)
        # In the order in which the role refused them.
        self._left_out: dict[str, str] = {}

    @property
    def warnings(self) -> list[str]:
        """What the role's sessions go on without."""
        return list(self._left_out.values())

    def get_frozen_credentials(self) -> Any:
        """The keys of the session for which this thread calls; botocore asks before each call."""
        with self._lock:
            session = self._sessions(_acting_for.get())
        return session.get_frozen_credentials()

    def _session_for(self, identity: SessionIdentity) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(
            method=self.method, refresh_using=partial(self._assume, identity)
        )

    def _assume(self, identity: SessionIdentity) -> dict[str, str]:
        """Assume the role; a source identity or tags that STS refuses never stop a call."""
        required = self._role | {"RoleSessionName": identity.session_name}
        tags = [{"Key": key, "Value": value} for key, value in identity.tags.items()]
        optional: dict[str, Any] = {"SourceIdentity": identity.source_identity, "Tags": tags}
        optional = {key: v for key, v in optional.items() if key not in self._left_out}
        refused: dict[str, str] = {}
        while True:
            try:
                response = self._sts.assume_role(**required, **optional)
                break
            except ClientError as error:
                if not optional or not AwsError.of(error, "AssumeRole").kind.may_concern_a_part:
                    raise
                named = [key for key in optional if _OPTIONAL[key][0] in str(error)]
                for key in named or list(optional):
                    del optional[key]
                    refused[key] = str(error)
        self._leave_out(refused)
        keys = response["Credentials"]
        return {
            "access_key": keys["AccessKeyId"],
            "secret_key": keys["SecretAccessKey"],
            "token": keys["SessionToken"],
            "expiry_time": keys["Expiration"].isoformat(),
        }

    def _leave_out(self, refused: dict[str, str]) -> None:
        """Ask no more for what STS refused and did without, and warn once."""
        for key, error in refused.items():
            permission, what = _OPTIONAL[key]
            if key not in self._left_out:
                self._left_out[key] = (
                    f"STS refused the {what} of sessions in {self._role['RoleArn']}, which go on "
                    f"without until the worker restarts. Allow {permission} in the role's trust "
                    f"policy and to the worker ({error})"
                )
                _logger.warning(self._left_out[key])

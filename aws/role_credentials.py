"""Credentials of a target's roles, each with a session in STS for each execution and actor."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError

from aws.errors import AwsError, AwsErrorKind
from recovery.access.session_identity import WORKER, SessionIdentity
from recovery.plan.target_roles import TargetRole, TargetRoles, role_for

_logger = logging.getLogger(__name__)
_WORKER = SessionIdentity()
_acting_for: ContextVar[SessionIdentity] = ContextVar("acting_for", default=_WORKER)
_role: ContextVar[TargetRole] = ContextVar("role", default=TargetRole.LAUNCH)
# Each has a few kilobytes. More than the executions of an hour, after which a session ends.
_SESSIONS = 2000
# Seconds before its end: a session is renewed, and no longer signs. And between two attempts at it.
_RENEW_BEFORE = 900.0
_USABLE_BEFORE = 60.0
_ASK_AGAIN_AFTER = 120.0
# What a role may refuse: what denials of AWS name, what CloudTrail lacks without, and what to do.
_ALLOW = "Allow {} in the role's trust policy and to the worker"
_OPTIONAL = {
    "SourceIdentity": ("sts:SetSourceIdentity", "source identity", _ALLOW),
    "Tags": ("sts:TagSession", "session tags", _ALLOW),
    "RoleSessionName": (
        "sts:RoleSessionName",
        "name after execution and actor",
        f"Allow other names than {WORKER} where the role's trust policy has a condition on {{}}",
    ),
}


@contextmanager
def acting_for(identity: SessionIdentity | None) -> Iterator[None]:
    """Name the sessions of the calls inside the block; None: after the worker."""
    token = _acting_for.set(identity or _WORKER)
    try:
        yield
    finally:
        _acting_for.reset(token)


@dataclass
class _Session:
    """A session of a role.

    Attributes:
        end_time: when its keys end (epoch seconds).
        lock: held while it is renewed.
    """

    keys: ReadOnlyCredentials | None = None
    end_time: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def lasts(self, seconds: float) -> bool:
        """Whether its keys do not end in so many seconds."""
        return self.end_time - time.time() >= seconds


class RoleCredentials(Credentials):
    """The credentials of a role.

    A call is signed with those of the session for whom it is made (`acting_for`), so another
    execution costs one AssumeRole, and neither clients nor connections of its own. While STS fails,
    those of the worker's own session sign for all.
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
        self._sessions = lru_cache(maxsize=_SESSIONS)(lambda _: _Session())
        # In the order in which the role refused them.
        self._left_out: dict[str, str] = {}
        # By `time.monotonic`; 0: STS did not fail.
        self._ask_again_at = 0.0

    @property
    def warnings(self) -> list[str]:
        """What the role's sessions go on without."""
        return list(self._left_out.values())

    def get_frozen_credentials(self) -> Any:
        """The keys of the session for which this thread calls; botocore asks before each call.

        Raises:
            Exception: there is no session, and what boto3 raised says why.
        """
        identity = _acting_for.get()
        with self._lock:
            worker, session = self._sessions(_WORKER), self._sessions(identity)
        wait = not session.lasts(_USABLE_BEFORE)
        if not session.lasts(_RENEW_BEFORE) and session.lock.acquire(blocking=wait):
            try:
                self._renew(session, worker, identity)
            finally:
                session.lock.release()
        return (session if session.lasts(_USABLE_BEFORE) else worker).keys

    def _renew(self, session: _Session, worker: _Session, identity: SessionIdentity) -> None:
        """Renew a session; if that fails, go on with it or with the worker's own while they last.

        A lasting refusal stops the calls of an identity without a session.
        """
        usable = next((s for s in (session, worker) if s.lasts(_USABLE_BEFORE)), None)
        is_paused = usable is not None and time.monotonic() < self._ask_again_at
        if session.lasts(_RENEW_BEFORE) or is_paused:
            return
        try:
            session.keys, session.end_time = self._assume(identity)
        except Exception as error:
            failed = AwsError.of(error, "AssumeRole")
            if usable is None or (usable is not session and not failed.kind.is_retryable):
                self._name_role(error)
                raise
            if not self._ask_again_at:
                _logger.warning(
                    "STS gives no new sessions in %s, so calls are signed with those that are "
                    "valid, if need be with the worker's own, which names no execution. The worker "
                    "asks again every %g s (%s)",
                    self._role["RoleArn"],
                    _ASK_AGAIN_AFTER,
                    failed,
                )
            self._ask_again_at = time.monotonic() + _ASK_AGAIN_AFTER
        else:
            self._ask_again_at = 0.0

    def _name_role(self, error: Exception) -> None:
        """Name the role in an answer of STS that does not, for a target has several."""
        if isinstance(error, ClientError) and self._role["RoleArn"] not in str(error):
            answer = error.response["Error"]
            answer["Message"] = (
                f"{answer.get('Message', '')} (AssumeRole of {self._role['RoleArn']})"
            )

    def _assume(self, identity: SessionIdentity) -> tuple[ReadOnlyCredentials, float]:
        """Assume the role; a name, source identity or tags that STS refuses never stop a call."""
        parts: dict[str, Any] = {
            "SourceIdentity": identity.source_identity,
            "Tags": [{"Key": key, "Value": value} for key, value in identity.tags.items()],
        }
        if identity.session_name != WORKER:
            parts["RoleSessionName"] = identity.session_name
        parts = {key: value for key, value in parts.items() if key not in self._left_out}
        named: dict[str, AwsError] = {}
        # What the last refusal that names nothing is put down to.
        presumed: dict[str, AwsError] = {}
        while True:
            request = self._role | {"RoleSessionName": WORKER} | parts
            try:
                response = self._sts.assume_role(**request)
                break
            except ClientError as error:
                refusal = AwsError.of(error, "AssumeRole")
                if not parts or not refusal.kind.may_concern_a_part:
                    raise
                if in_error := [key for key in parts if _OPTIONAL[key][0] in str(refusal)]:
                    named |= dict.fromkeys(in_error, refusal)
                else:
                    others = [key for key in parts if key != "RoleSessionName"]
                    presumed = dict.fromkeys(others or parts, refusal)
                parts = {k: v for k, v in parts.items() if k not in named and k not in presumed}
        for key, refusal in (named | presumed).items():
            self._leave_out(key, refusal, str(request["RoleSessionName"]))
        keys = response["Credentials"]
        frozen = ReadOnlyCredentials(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
        )
        return frozen, keys["Expiration"].timestamp()

    def _leave_out(self, key: str, refusal: AwsError, session_name: str) -> None:
        """Warn of what STS refused and did without; ask no more for what the role denies."""
        permission, what, remedy = _OPTIONAL[key]
        role_arn = self._role["RoleArn"]
        if refusal.kind is not AwsErrorKind.ACCESS_DENIED:
            _logger.warning(
                "STS refused the %s of the session %s in %s, which goes on without (%s)",
                what, session_name, role_arn, refusal,
            )  # fmt: skip
        elif key not in self._left_out:
            self._left_out[key] = (
                f"STS refused the {what} of sessions in {role_arn}, which go on without until the "
                f"worker restarts. {remedy.format(permission)} ({refusal})"
            )
            _logger.warning(self._left_out[key])


class TargetCredentials(Credentials):
    """The credentials that all clients of a target share.

    Each call is signed with those of the role for its operation, if `choose_role` is registered.
    """

    def __init__(self, sts: Any, roles: TargetRoles) -> None:
        """Prepare; nothing is assumed before it is needed."""
        super().__init__("", "", method="assume-role")
        self._roles = {arn: RoleCredentials(sts, arn, roles.external_id) for arn in roles.by_arn()}
        self._of = {role: self._roles[roles.arn(role)] for role in TargetRole}

    @property
    def warnings(self) -> list[str]:
        """What the sessions of the roles go on without."""
        return [warning for role in self._roles.values() for warning in role.warnings]

    def of(self, role: TargetRole) -> RoleCredentials:
        """The credentials of one of the roles."""
        return self._of[role]

    def get_frozen_credentials(self) -> Any:
        """The keys for the call that this thread makes; botocore asks before each call."""
        return self.of(_role.get()).get_frozen_credentials()


def choose_role(event_name: str, **_: object) -> None:
    """Called by botocore before it signs: the event is `choose-signer.SERVICE.OPERATION`."""
    _role.set(role_for(event_name.rpartition(".")[2]))

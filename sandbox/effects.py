"""The acts that services other than DRS accepted, for tests and benches that prove "once each".

A service calls `record` for each act that it accepts, such as a command or an automation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from sandbox.drs.simulation import simulation


@dataclass(frozen=True)
class RecordedEffect:
    """One accepted act. Field names are the JSON keys.

    Attributes:
        Number: Its position, from 1.
        Time: Epoch seconds of its acceptance.
        Kind: `service.Operation`, such as `ssm.SendCommand`.
        Key: What the caller can find it by: a comment, a client token; empty if it gave none.
        IsRepeat: Whether the service recognized an idempotent repeat, which has no effect.
        Details: The parameters, and the ID that the service gave to it.
    """

    Number: int
    Time: float
    Kind: str
    AccountId: str
    Region: str
    Key: str
    IsRepeat: bool
    Details: dict[str, Any]


_effects: list[RecordedEffect] = []
_lock = Lock()


def record(
    kind: str,
    *,
    account_id: str,
    region: str,
    key: str,
    details: dict[str, Any],
    is_repeat: bool = False,
) -> None:
    """Record one accepted act; the arguments are as in `RecordedEffect`."""
    with _lock:
        number = len(_effects) + 1
        at = simulation.now()
        _effects.append(
            RecordedEffect(number, at, kind, account_id, region, key, is_repeat, details)
        )


def recorded(account_id: str | None = None) -> dict[str, Any]:
    """Return the acts in the order of their acceptance, of one account or of all."""
    with _lock:
        found = [asdict(each) for each in _effects if account_id in (None, each.AccountId)]
    return {"Now": simulation.now(), "Effects": found}


def clear() -> None:
    """Forget all acts, as at the start of a sandbox."""
    with _lock:
        _effects.clear()

"""Private addresses of source servers and recovery instances.

They are in 127.0.0.0/8, so that this host can listen on them, but not in 127.0.0.0/24, which other
programs use.
"""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from ..simulation import simulation


def network_interface(digits: str) -> dict[str, Any]:
    """Return a NetworkInterface structure whose addresses are made from hexadecimal digits."""
    return {
        "macAddress": ":".join(["02", *(digits[index : index + 2] for index in range(4, 14, 2))]),
        "ips": [_loopback_address(digits)],
        "isPrimary": True,
    }


def own_address(arn: str) -> str:
    """Return an address made from the ARN of a recovery instance, which no other one has."""
    for attempt in count():
        address = _loopback_address(hashlib.sha256(f"{arn}#{attempt}".encode()).hexdigest())
        if address not in simulation.addresses:
            break
    simulation.addresses.add(address)
    return address


def _loopback_address(digits: str) -> str:
    high, middle, low = (int(digits[index : index + 2], 16) for index in (0, 2, 14))
    return f"127.{1 + high % 254}.{middle}.{1 + low % 254}"

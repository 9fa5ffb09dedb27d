"""AWS Elastic Disaster Recovery (DRS) as a moto backend. Tested in tests/sandbox/drs/."""

import re
import sys

import moto.backend_index

from .models import drs_backends

__all__ = ["drs_backends", "register"]


def register() -> None:
    """Make moto serve DRS, under `mock_aws` as well as over HTTP. Safe to call again.

    A backend that is part of moto is found by its package name and its entry in the backend index;
    one that is not can be put in both places.
    """
    sys.modules.setdefault("moto.drs", sys.modules[__name__])
    patterns = moto.backend_index.backend_url_patterns
    if not any(name == "drs" for name, _ in patterns):
        patterns.append(("drs", re.compile(r"https?://drs\.(.+)\.amazonaws\.com")))

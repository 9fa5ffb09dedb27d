"""AWS Elastic Disaster Recovery (DRS) as a moto backend. Tested in tests/sandbox/drs/."""

import re
import sys

import moto.backend_index

from .models import drs_backends

__all__ = ["drs_backends", "register"]


def register() -> None:
    """Register the DRS backend with moto, for `mock_aws` and over HTTP. Idempotent.

    Moto finds a backend by its package name and by its entry in the backend index, so this adds
    both.
    """
    sys.modules.setdefault("moto.drs", sys.modules[__name__])
    patterns = moto.backend_index.backend_url_patterns
    if not any(name == "drs" for name, _ in patterns):
        patterns.append(("drs", re.compile(r"https?://drs\.(.+)\.amazonaws\.com")))

"""Application Recovery Controller's routing controls as a moto backend.

It serves route53-recovery-cluster and, as far as clients need it to find the endpoints of the
cluster, route53-recovery-control-config. Tested in tests/sandbox/test_recovery_control.py.
"""

import re
import sys

import moto.backend_index

from .models import recovery_control_backends

# The names that moto looks up, one a service.
route53recoverycluster_backends = recovery_control_backends
route53recoverycontrolconfig_backends = recovery_control_backends

__all__ = [
    "recovery_control_backends",
    "register",
    "route53recoverycluster_backends",
    "route53recoverycontrolconfig_backends",
]


def register() -> None:
    """Register the backend with moto, for `mock_aws` and over HTTP. Idempotent."""
    patterns = moto.backend_index.backend_url_patterns
    for service in ("route53-recovery-cluster", "route53-recovery-control-config"):
        name = service.replace("-", "")
        sys.modules.setdefault(f"moto.{name}", sys.modules[__name__])
        if not any(known == name for known, _ in patterns):
            # Before the pattern of route53, which would match it too.
            patterns.insert(0, (name, re.compile(rf"https?://{service}\.(.+)\.amazonaws\.com")))

"""The fixtures of checks."""

from tests.activities.steps.checks.probes import probe

__all__ = ["probe"]

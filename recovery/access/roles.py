"""Roles: what a person may do."""

from enum import StrEnum


class Role(StrEnum):
    """What a caller of the API may do."""

    VIEWER = "viewer"
    """Read everything."""
    OPERATOR = "operator"
    """Register plans, start and steer executions, clean up after drills."""
    APPROVER = "approver"
    """Approve and refuse waves."""
    ADMIN = "admin"
    """Everything, including requests that destroy live recovery instances."""

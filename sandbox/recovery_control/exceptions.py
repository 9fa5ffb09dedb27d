"""Exceptions raised by the route53-recovery-cluster and -control-config services."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class ConflictException(ServiceException):
    """A safety rule does not allow the change."""

    code = "ConflictException"

    def __init__(self, message: str, resource_id: str) -> None:
        self.resource_id = resource_id
        self.resource_type = "SafetyRule"
        super().__init__(message)


class ResourceNotFoundException(ServiceException):
    """The resource does not exist in this account."""

    code = "ResourceNotFoundException"

    def __init__(self, resource_id: str, resource_type: str) -> None:
        self.resource_id = resource_id
        self.resource_type = resource_type
        super().__init__(f"{resource_type} {resource_id} does not exist.")


class AccessDeniedException(ServiceException):
    """The request is signed for another Region than that of the endpoint."""

    code = "AccessDeniedException"


class ValidationException(ServiceException):
    """A parameter violates a constraint of the service."""

    code = "ValidationException"

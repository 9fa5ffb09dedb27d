"""Exceptions raised by the drs service."""

from __future__ import annotations

from moto.core.exceptions import ServiceException

SERVERS_IN_A_JOB = (
    "One or more of the Source Servers included in API call are currently being processed by a Job"
)


class ConflictException(ServiceException):
    """The current state of the resource does not allow the request (HTTP 409)."""

    code = "ConflictException"

    def __init__(self, message: str, resource_id: str, resource_type: str):
        self.resource_id = resource_id
        self.resource_type = resource_type
        super().__init__(message)


class ResourceNotFoundException(ServiceException):
    """The resource does not exist in this account and Region (HTTP 404)."""

    code = "ResourceNotFoundException"

    def __init__(self, resource_id: str, resource_type: str):
        self.resource_id = resource_id
        self.resource_type = resource_type
        super().__init__(f"{resource_type} {resource_id} does not exist.")


class ServiceQuotaExceededException(ServiceException):
    """The request exceeds a quota of the account in this Region (HTTP 402)."""

    code = "ServiceQuotaExceededException"
    service_code = "drs"

    def __init__(self, message: str, resource_id: str, resource_type: str, quota_code: str):
        self.resource_id = resource_id
        self.resource_type = resource_type
        self.quota_code = quota_code
        super().__init__(message)


class UninitializedAccountException(ServiceException):
    """InitializeService was never called in this account and Region (HTTP 400)."""

    code = "UninitializedAccountException"

    def __init__(self) -> None:
        super().__init__("Account not initialized")


class ValidationException(ServiceException):
    """A parameter violates a constraint of the service (HTTP 400)."""

    code = "ValidationException"
    reason = "fieldValidationFailed"

    def __init__(self, field: str, message: str):
        self.field_list = [{"name": field, "message": message}]
        super().__init__(f"{field}: {message}")

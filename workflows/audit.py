"""Hands what a workflow has recorded of operators' messages to the audit log of its worker."""

from temporalio import workflow
from temporalio.worker import Interceptor, WorkflowInterceptorClassInput

with workflow.unsafe.imports_passed_through():
    from activities.access.message_activities import MessageActivities
    from contract.execution import ReceivedMessage
    from recovery.execution.state import MessageRecord

_FUNCTION = "audit_message"


class AuditInterceptor(Interceptor):
    """Gives workflows the audit log, which is outside of their sandbox."""

    def __init__(self, messages: MessageActivities) -> None:
        self._messages = messages

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> None:
        """Add the function that `audit_message` calls."""
        input.unsafe_extern_functions[_FUNCTION] = self._messages.audit


def audit_message(execution_id: str, message: ReceivedMessage, record: MessageRecord) -> None:
    """Write a message to the audit log, when it is handled and not when that is replayed."""
    write = workflow.extern_functions().get(_FUNCTION)
    if write is None or workflow.unsafe.is_replaying_history_events():
        return
    with workflow.unsafe.sandbox_unrestricted(), workflow.unsafe.imports_passed_through():
        write(execution_id, message, record)

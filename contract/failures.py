"""The types of the errors that our workflows close with."""

from enum import StrEnum, unique


@unique
class FailureType(StrEnum):
    """The types of the errors that our workflows close with."""

    PLAN_FAILED = "PlanFailed"
    PLAN_REFUSED = "PlanRefused"
    WAVE_FAILED = "WaveFailed"
    MESSAGE_REJECTED = "MessageRejected"
    SEND_AGAIN = "SendAgain"
    CLEANUP_REFUSED = "CleanupRefused"
    CLEANUP_INCOMPLETE = "CleanupIncomplete"
    HISTORY_INCOMPLETE = "HistoryIncomplete"

"""The types of our workflows' application errors."""

from enum import StrEnum, unique


@unique
class FailureType(StrEnum):
    """The types of our workflows' application errors."""

    PLAN_FAILED = "PlanFailed"
    PLAN_REFUSED = "PlanRefused"
    WAVE_FAILED = "WaveFailed"
    MESSAGE_REJECTED = "MessageRejected"
    SEND_AGAIN = "SendAgain"
    CLEANUP_REFUSED = "CleanupRefused"
    CLEANUP_INCOMPLETE = "CleanupIncomplete"
    REVERT_REFUSED = "RevertRefused"
    SETTINGS_REFUSED = "SettingsRefused"
    SETTINGS_INCOMPLETE = "SettingsIncomplete"
    HISTORY_INCOMPLETE = "HistoryIncomplete"

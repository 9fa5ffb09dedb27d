"""Evidence that could not be read, which is evidence too."""

from recovery.base_model import Model
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget, finding_of

PERMISSION_MISSING = FindingKind(
    code=FindingCode.PERMISSION_MISSING,
    severity=Severity.UNKNOWN,
    title="A permission is missing",
    meaning="AWS does not allow the worker to read it, so nobody knows whether it is ready.",
    action="Add the permission that the evidence names to the worker's role in that account.",
)
CLOCK_SKEWED = FindingKind(
    code=FindingCode.CLOCK_SKEWED,
    severity=Severity.UNKNOWN,
    title="The worker's clock is not that of AWS",
    meaning="AWS refuses calls whose time is more than some minutes off; launches would be too.",
    action="Correct the clock of the worker's host: let it follow a time server.",
)
READ_FAILED = FindingKind(
    code=FindingCode.READ_FAILED,
    severity=Severity.UNKNOWN,
    title="It could not be read",
    meaning="The service did not answer, or refused the call, so nobody knows whether it is ready.",
    action="See the error in the evidence; look again with `drs-waves readiness --fresh PLAN`.",
)
RESPONSE_ITEMS_UNREADABLE = FindingKind(
    code=FindingCode.RESPONSE_ITEMS_UNREADABLE,
    severity=Severity.UNKNOWN,
    title="AWS answered with items of an unknown form",
    meaning="A part of an answer could not be understood, so nobody knows whether it is ready.",
    action="Update drs-waves; if it stays, report the operation that the evidence names.",
)
KINDS = (PERMISSION_MISSING, CLOCK_SKEWED, READ_FAILED, RESPONSE_ITEMS_UNREADABLE)


class FailedRead(Model):
    """A read of a look that failed.

    Attributes:
        action: as IAM names it, such as `drs:DescribeSourceServers`.
        error: what happened.
        is_denied: the action is not allowed.
        is_clock_skewed: AWS refused it for its time.
    """

    action: str
    error: str
    is_denied: bool = False
    is_clock_skewed: bool = False

    @property
    def kind(self) -> FindingKind:
        """The kind of its finding."""
        if self.is_clock_skewed:
            return CLOCK_SKEWED
        return PERMISSION_MISSING if self.is_denied else READ_FAILED

    @property
    def evidence(self) -> dict[str, str]:
        """The evidence of its finding."""
        return {"Permission" if self.is_denied else "Read": self.action, "Error": self.error}

    def finding(
        self, what: str, planned: PlannedTarget | None = None, server_id: str | None = None
    ) -> Finding:
        """The finding that something is not known.

        Args:
            what: what was to be read, such as `its snapshots`.
            planned: where; None: in the installation.
            server_id: of which server.
        """
        reason = f"the worker lacks {self.action}" if self.is_denied else self.error
        message = f"{what} could not be read: {reason}"
        if planned is None:
            return finding_of(self.kind, message, self.evidence)
        return planned.finding(self.kind, message, server_id, evidence=self.evidence)

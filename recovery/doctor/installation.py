"""Judges what an installation has beside Temporal: clocks, keys and channels."""

from collections.abc import Iterator, Sequence

from recovery.base_model import Model
from recovery.doctor.check import Check, Part
from recovery.text_format import count, listed

# AWS refuses signatures that are 5 minutes off; deadlines and leases are compared across clocks.
_MOST_SKEW, _FATAL_SKEW = 5.0, 240.0


def clock_check(subject: str, ahead_seconds: float) -> Check:
    """Judge by how much a clock is ahead of another one."""
    off = abs(ahead_seconds)
    direction = "ahead" if ahead_seconds > 0 else "behind"
    text = f"{off:.0f} s {direction}"
    if off <= _MOST_SKEW:
        return Check.ok(Part.CLOCKS, subject, f"differs by at most {_MOST_SKEW:g} s")
    action = "Synchronize its clock (chrony, or Amazon Time Sync)"
    if off < _FATAL_SKEW:
        return Check.warn(Part.CLOCKS, subject, text, action)
    return Check.fail(Part.CLOCKS, subject, f"{text}: AWS refuses its signatures", action)


class KeyEvidence(Model):
    """The keys that a worker verifies signed requests with.

    Attributes:
        is_required: it acts by signed requests only.
        signing: the IDs of keys for every day.
        break_glass: the names of keys that are kept offline.
        has_audit_log: accepted and refused acts are recorded.
    """

    is_required: bool
    signing: list[str] = []
    break_glass: list[str] = []
    has_audit_log: bool = False


_SIGNED, _PAGE = "signed requests", "see docs/permissions.md"


def key_checks(evidence: KeyEvidence) -> Iterator[Check]:
    """Judge whether signed requests protect the installation, and survive the loss of the API."""
    keys = len(evidence.signing) + len(evidence.break_glass)
    if not keys:
        yield Check.skipped(
            Part.KEYS,
            _SIGNED,
            "the worker has no keys, so anyone who can write to the Temporal Namespace can launch",
            f"Set DRS_WAVES_REQUEST_KEYS and DRS_WAVES_REQUIRE_SIGNED_REQUESTS; {_PAGE}",
        )
        return
    if not evidence.is_required:
        action = f"Set DRS_WAVES_REQUIRE_SIGNED_REQUESTS; {_PAGE}"
        yield Check.warn(Part.KEYS, _SIGNED, "signatures are verified, but not required", action)
    elif not evidence.signing:
        text = "only break-glass keys are trusted, so neither pages nor API can start anything"
        yield Check.fail(Part.KEYS, _SIGNED, text, f"Add the API's public key; {_PAGE}")
    else:
        yield Check.ok(Part.KEYS, _SIGNED, f"required; {count(keys, 'key')} trusted")
    if evidence.break_glass:
        yield Check.ok(Part.KEYS, "break-glass", f"trusted: {listed(evidence.break_glass)}")
    else:
        text = "no break-glass key is trusted: while the API or its key is lost, nothing starts"
        yield Check.warn(Part.KEYS, "break-glass", text, f"Add an offline key; {_PAGE}")
    if not evidence.has_audit_log:
        text = "accepted and refused acts are only in the worker's log"
        yield Check.warn(Part.KEYS, "audit log", text, "Set DRS_WAVES_AUDIT_LOG")


def signer_check(kid: str, trusted: Sequence[str] | None) -> Check:
    """Judge whether workers trust the key that this machine signs with.

    Args:
        kid: the ID of that key.
        trusted: the IDs of the keys that the worker trusts; None: no worker said.
    """
    subject = "signing key"
    if trusted is None:
        return Check.skipped(Part.KEYS, subject, f"whether workers trust {kid}: none answered")
    if kid in trusted:
        return Check.ok(Part.KEYS, subject, f"workers trust {kid}")
    return Check.fail(
        Part.KEYS,
        subject,
        f"no worker trusts {kid}: all that is signed with it is refused",
        "Add its public key to the file of DRS_WAVES_REQUEST_KEYS, and restart the workers",
    )


class ChannelEvidence(Model):
    """A channel, as far as it can be looked at without a message.

    Attributes:
        error: what failed; None if nothing did.
        checked: what was looked at, such as `the topic exists`.
    """

    name: str
    kind: str
    error: str | None = None
    checked: str = ""


def channel_checks(channels: Sequence[ChannelEvidence], *, is_sandbox: bool) -> Iterator[Check]:
    """Judge whether somebody is notified."""
    if not channels:
        text = "there are no channels, so nobody is notified of a decision"
        judge = Check.skipped if is_sandbox else Check.warn
        yield judge(Part.CHANNELS, "channels", text, "Set DRS_WAVES_NOTIFY_FILE")
    for each in channels:
        subject = f"{each.name} ({each.kind})"
        if each.error is not None:
            action = f"Correct it, then try it: `drs-waves notify test {each.name}`"
            yield Check.fail(Part.CHANNELS, subject, each.error, action)
        else:
            yield Check.ok(Part.CHANNELS, subject, f"{each.checked}; no message was sent")

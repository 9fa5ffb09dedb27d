"""Why a client could not do what it was asked."""


class RefusedError(Exception):
    """What was asked is refused; the message says why and what to do."""


class UnreachableError(Exception):
    """Temporal, or a worker behind it, does not answer; the message says what to do."""

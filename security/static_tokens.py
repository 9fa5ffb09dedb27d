"""Static bearer tokens, of which the settings hold the hash only."""

import hashlib
import secrets

_RANDOM_BYTES = 32


def new_token() -> str:
    """A random token of 256 bits."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def token_hash(token: str) -> str:
    """The hash of a token, as the settings name it.

    SHA-256 is fast. That is right for 256 random bits, which cannot be guessed from the hash at any
    speed; a password would need a slow hash.
    """
    return f"sha256:{hashlib.sha256(token.encode(errors='replace')).hexdigest()}"

"""Static tokens of tests."""

from typing import Any

from security.static_tokens import token_hash


def token_of(subject: str) -> str:
    """The token of somebody."""
    return f"the-token-of-{subject}"


def token_settings(**roles: list[str]) -> dict[str, dict[str, Any]]:
    """The value of DRS_WAVES_API_TOKENS for subjects with these roles."""
    return {
        subject: {"Hash": token_hash(token_of(subject)), "Roles": each}
        for subject, each in roles.items()
    }

"""Takes secrets out of texts that are printed, logged or sent."""

import re

_SECRETS = (
    # AWS answers a wrong signature with the headers that it should have signed, of which one is the
    # session token.
    (re.compile(r"\s*The Canonical String for this request.*", re.DOTALL), ""),
    (re.compile(r"(x-amz-security-token['\"]?[:=]\s*)[^\s&'\"…]+", re.IGNORECASE), r"\1…"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END|$)", re.DOTALL), r"…\1"),
    (re.compile(r"\b(Bearer)\s+[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE), r"\1 …"),
    # What urllib3 says of a key or a token with a line break.
    (re.compile(r"Invalid header value b?(['\"]).*?\1", re.DOTALL), "Invalid header value …"),
    # A user and a password in a URL.
    (re.compile(r"//[^/\s@]+@"), "//…@"),
)


def redacted(text: str) -> str:
    """The text without what is known to be a secret."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text

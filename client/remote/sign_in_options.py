"""How people sign in at an API: what it says, and the command line asks for."""

from recovery.base_model import Model


class SignInOptions(Model):
    """How people sign in at an API.

    Attributes:
        is_open: the API asks for no sign-in.
        issuer: the OpenID provider; None if the API knows static tokens only.
        client_id: of the public client for the command line; None if there is none.
        scopes: what to ask for, with spaces.
        audience: whom the token must be for.
    """

    is_open: bool
    issuer: str | None = None
    client_id: str | None = None
    scopes: str = "openid"
    audience: str | None = None

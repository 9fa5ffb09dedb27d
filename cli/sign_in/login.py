"""`login`, `logout` and `whoami`: who is signed in at the API."""

import asyncio
import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.validate import Json
from cli.render.output import notice, show, write_json
from client.errors import RefusedError
from client.recoveries.chosen import require_api_client, without_the_api
from client.remote.sign_in_options import SignInOptions
from recovery.access.roles import Role
from recovery.base_model import Model
from recovery.text_format import timestamp
from runtime.exit import CliError, ExitCode
from settings import Settings, get_settings

if TYPE_CHECKING:
    from client.remote.session import Session
    from client.remote.token_store import StoredToken

_TOKEN_CHARACTERS = 20_000
_WITHOUT_IT = without_the_api(can_sign=True)


class SignedIn(Model):
    """Who is signed in.

    Attributes:
        expires_time: when the token ends (epoch seconds); None if it does not, or it is renewed.
    """

    api: str
    subject: str
    roles: list[Role]
    expires_time: float | None = None


def login(
    device: Annotated[
        bool, typer.Option("--device", help="Show a code to type in a browser elsewhere.")
    ] = False,
    token: Annotated[
        bool, typer.Option("--token", help="Read a static token from standard input.")
    ] = False,
) -> None:
    """Sign in at the API that DRS_WAVES_API_URL names.

    It opens a page of the identity provider in the browser. The token is kept in
    the keyring, or in a file for you alone. A script sets DRS_WAVES_API_TOKEN
    instead.

    \b
    Examples:
      drs-waves login
      drs-waves login --device                 where there is no browser
      drs-waves login --token < token.txt
    \b
    Exit codes: 0 signed in, 2 refused, 5 the API or the identity provider does
    not answer.
    """
    settings = _configured()
    given = _read_token() if token else None
    try:
        asyncio.run(_login(settings, given, with_device=device))
    except KeyboardInterrupt:
        notice("", "Interrupted; not signed in.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def logout() -> None:
    """Forget the token of the API at DRS_WAVES_API_URL.

    \b
    Exit codes: 0 signed out.
    """
    from client.remote.token_store import TokenStore  # noqa: PLC0415

    url = str(_configured().api_url).rstrip("/")
    show(f"Signed out of {url}" if TokenStore().remove(url) else f"Not signed in at {url}")


def whoami(json: Json = False) -> None:
    """Show who the API takes you for.

    \b
    Exit codes: 0 shown, 2 not signed in, 5 the API does not answer.
    """
    found = asyncio.run(_whoami(_configured()))
    if json:
        write_json(found)
    else:
        show(_text(found))


def _configured() -> Settings:
    """The settings, if they name an API and its client is installed.

    Raises:
        CliError: they name none.
        RefusedError: packages are missing.
    """
    settings = get_settings()
    if settings.api_url is None:
        raise CliError("no API is set: set DRS_WAVES_API_URL, such as https://drs.example.com")
    require_api_client()
    return settings


def _read_token() -> str:
    if sys.stdin.isatty():
        try:
            text = str(typer.prompt("Token", hide_input=True, err=True))
        except typer.Abort:
            raise KeyboardInterrupt from None
    else:
        text = sys.stdin.read(_TOKEN_CHARACTERS)
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise CliError("not signed in: that is no token, which has no spaces")
    return text


async def _login(settings: Settings, given: str | None, *, with_device: bool) -> None:
    if settings.api_token is not None:
        raise CliError("not signed in: DRS_WAVES_API_TOKEN is set, and has precedence; unset it")
    from client.remote.session import Session  # noqa: PLC0415
    from client.remote.sign_in import ProviderLostError, SignInError  # noqa: PLC0415
    from client.remote.token_store import StoredToken  # noqa: PLC0415

    session = Session.of(settings)
    try:
        if given is not None:
            token = StoredToken.model_validate({"access_token": given})
        elif (found := await _sign_in(session, with_device=with_device)) is not None:
            token = found
        else:
            show(f"{session.url} asks for no sign-in: it serves its own machine only")
            return
    except ProviderLostError as error:
        raise CliError(f"not signed in: {error}. {_WITHOUT_IT}", ExitCode.UNREACHABLE) from error
    except SignInError as error:
        raise CliError(f"not signed in: {error}") from error
    signed_in = await _me(session, token.access_token.get_secret_value())
    where = session.keep(token)
    show(_text(signed_in), f"The token is in {where}")


async def _sign_in(session: "Session", *, with_device: bool) -> "StoredToken | None":
    """Sign in as the API says; None if it asks for no sign-in."""
    from client.remote.sign_in import SignIn  # noqa: PLC0415

    async with session.api(None, if_lost=_WITHOUT_IT) as api:
        options = SignInOptions.model_validate(await api.get("/sign-in"))
    if options.is_open:
        return None
    if options.issuer is None or options.client_id is None:
        raise RefusedError(
            f"{session.url} has no sign-in for the command line",
            command="With a token of its administrator: `drs-waves login --token`. An "
            "administrator can set DRS_WAVES_OIDC_CLI_CLIENT_ID there",
        )
    sign_in = SignIn(options)
    await sign_in.read_provider()
    if with_device or (sign_in.has_device_flow and not _has_browser()):
        return await sign_in.with_device(_show_code)
    return await sign_in.in_browser(_open_page)


def _has_browser() -> bool:
    """Whether a browser can show a page; one in the terminal cannot sign people in."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    ):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _open_page(url: str) -> None:
    notice("Sign in on this page, in a browser of this machine:", f"  {url}")
    if _has_browser():
        webbrowser.open(url)


def _show_code(url: str, code: str) -> None:
    notice("Sign in on this page, on any machine:", f"  {url}", f"The code is {code}")


async def _whoami(settings: Settings) -> SignedIn:
    from client.remote.session import Session  # noqa: PLC0415

    session = Session.of(settings)
    found = await _me(session, None)
    if found.expires_time is None and (stored := session.stored()) and not session.is_fixed:
        found.expires_time = None if stored.refresh_token else stored.expires_time
    return found


async def _me(session: "Session", token: str | None) -> SignedIn:
    """Whom the API takes the caller for; with this token, or with that of the session."""
    async with session.api(token, if_lost=_WITHOUT_IT) as api:
        return SignedIn.model_validate(await api.get("/me") | {"Api": session.url})


def _text(found: SignedIn) -> str:
    ends = f"; until {timestamp(found.expires_time)}" if found.expires_time else ""
    return f"{found.subject} at {found.api} ({', '.join(found.roles)}{ends})"

"""`serve` and `token`: the API and the pages, and the static tokens of their callers."""

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

from cli.render.output import notice, show, step
from client.connection import configured_place
from client.recoveries.chosen import refuse_through_the_api
from recovery.access.roles import Role
from runtime.exit import CliError, ExitCode
from runtime.log_config import configure_logging
from security.audit_log import NO_AUDIT_LOG
from security.static_tokens import new_token, token_hash
from settings import Settings, get_settings, is_loopback

if TYPE_CHECKING:
    from uvicorn import Server

_API_PACKAGES = ("fastapi", "uvicorn")
_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


def token(
    subject: Annotated[str, typer.Argument(help="Who uses it; the history names it as the actor.")],
    role: Annotated[list[Role], typer.Option(help="What it may do; repeat it for several roles.")],
) -> None:
    """Make a static token of the API, for a script.

    It prints the token, once, and the setting for the server, which has the hash
    of the token only. It stores nothing.

    \b
    Examples:
      drs-waves token laptop --role operator
      drs-waves token pipeline --role operator --role approver
    \b
    Exit codes: 0 printed, 2 a wrong subject or role.
    """
    if not _SUBJECT.fullmatch(subject):
        raise CliError(f"the subject {subject!r} does not match {_SUBJECT.pattern}")
    made = new_token()
    entry = {subject: {"Hash": token_hash(made), "Roles": [*dict.fromkeys(role)]}}
    notice(f"The token of {subject}. It cannot be shown again: keep it where secrets are kept.")
    show(made)
    notice("Set this on every server, together with the entries of its other tokens:")
    show(f"DRS_WAVES_API_TOKENS='{json.dumps(entry)}'")


def serve(
    host: Annotated[
        str | None, typer.Option(help="Listen on this address. Default: DRS_WAVES_API_HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Listen on this port. Default: DRS_WAVES_API_PORT."),
    ] = None,
) -> None:
    """Serve the pages and the API until Ctrl-C or SIGTERM.

    Without tokens (DRS_WAVES_API_TOKENS, or DRS_WAVES_OIDC_ISSUER and
    DRS_WAVES_OIDC_AUDIENCE) it serves only this machine, and every user of this
    machine may do everything.

    \b
    Examples:
      drs-waves serve
      drs-waves serve --host 0.0.0.0 --port 8443
    \b
    Exit codes: 0 stopped on request, 2 a wrong setting or no authentication for
    that address, 5 the port is not available.
    """
    refuse_through_the_api("serve")
    settings = get_settings()
    address, port_number = host or settings.api_host, port or settings.api_port
    open_to_all = not settings.api_tokens and settings.oidc_issuer is None
    url = f"http://{f'[{address}]' if ':' in address else address}:{port_number}"
    if open_to_all and (settings.trusted_proxies or not is_loopback(url)):
        reached, cause = address, "--host"
        if settings.trusted_proxies:
            reached, cause = "the proxies", "DRS_WAVES_TRUSTED_PROXIES"
        raise CliError(
            f"nothing is served: other machines can reach {reached}, and without authentication "
            "only this machine is served. Set DRS_WAVES_API_TOKENS, or DRS_WAVES_OIDC_ISSUER and "
            f"DRS_WAVES_OIDC_AUDIENCE; or omit {cause}"
        )
    configure_logging(as_json=settings.log_json)
    with step("Loading the pages"):
        server = _server(settings, address, port_number)
    notice(f"Serving the executions of {configured_place()}")
    notice(f"Pages: {url}/   API: {url}/api/docs")
    notice(_authentication_text(settings, open_to_all=open_to_all))
    if settings.audit_log is None and (settings.signing_key or settings.signing_kms_key):
        notice(NO_AUDIT_LOG)
    cannot_listen = CliError(f"{address}:{port_number} is not available", ExitCode.UNREACHABLE)
    try:
        server.run()
    except SystemExit as exit_:
        # Uvicorn has logged why.
        raise cannot_listen from exit_
    if not server.started:
        raise cannot_listen


def _server(settings: Settings, address: str, port_number: int) -> "Server":
    """Create the server without starting it.

    Raises:
        CliError: a package that it needs is not installed.
    """
    # Imported here, because loading them takes longer than most commands run.
    try:
        import uvicorn  # noqa: PLC0415

        from api.app import create_app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        # They are an extra that a worker does not need.
        if error.name is None or error.name.split(".")[0] not in _API_PACKAGES:
            raise
        raise CliError("the API is not installed: pip install 'drs-waves[api]'") from error
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=address,
            port=port_number,
            log_level="warning",
            # The application does, from the proxies of DRS_WAVES_TRUSTED_PROXIES only.
            proxy_headers=False,
            # Longer than clients keep idle connections: a request on one that the server closes
            # at that moment would fail.
            timeout_keep_alive=75,
            # Event streams and pages stay open, so the server would wait for ever.
            timeout_graceful_shutdown=2,
        )
    )


def _authentication_text(settings: Settings, *, open_to_all: bool) -> str:
    if open_to_all:
        return (
            "No authentication is configured: only this machine is served, and every user of it "
            "may do everything."
        )
    callers = []
    if settings.api_tokens:
        callers.append(f"the tokens of {', '.join(sorted(settings.api_tokens))}")
    if settings.oidc_issuer:
        callers.append(f"JWTs of {settings.oidc_issuer} for {settings.oidc_audience}")
    pages = f" People sign in at {settings.oidc_issuer}." if settings.oidc_client_id else ""
    return f"Accepted are {' and '.join(callers)}; the roles are {', '.join(Role)}.{pages}"

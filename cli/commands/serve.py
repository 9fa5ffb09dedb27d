"""`serve`: the API and the pages."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.render.output import notice, step
from runtime.exit import CliError, ExitCode
from settings import Role, Settings, get_settings, is_loopback

if TYPE_CHECKING:
    from uvicorn import Server

_EXTRA = ("fastapi", "nicegui", "uvicorn")


def serve(
    host: Annotated[
        str | None, typer.Option(help="Listen on this address. Default: DRS_WAVES_API_HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Listen on this port. Default: DRS_WAVES_API_PORT."),
    ] = None,
) -> None:
    """Serve the execution page and the API until Ctrl-C or SIGTERM.

    Without tokens (DRS_WAVES_API_TOKENS, or DRS_WAVES_OIDC_ISSUER and
    DRS_WAVES_OIDC_AUDIENCE) it serves this machine only, and everybody on it
    may do everything.

    \b
    Examples:
      drs-waves serve
      drs-waves serve --host 0.0.0.0 --port 8443
    \b
    Exit codes: 0 ended as told, 2 a wrong setting or no authentication for
    that address, 5 the port cannot be had.
    """
    settings = get_settings()
    address, number = host or settings.api_host, port or settings.api_port
    open_to_all = settings.api_tokens is None and settings.oidc_issuer is None
    url = f"http://{f'[{address}]' if ':' in address else address}:{number}"
    if open_to_all and not is_loopback(url):
        raise CliError(
            f"nothing is served: without authentication only this machine is, and {address} is "
            "reached by others. Set DRS_WAVES_API_TOKENS, or DRS_WAVES_OIDC_ISSUER and "
            "DRS_WAVES_OIDC_AUDIENCE; or leave --host out"
        )
    with step("Loading the pages"):
        server = _server(settings, address, number)
    notice(f"Pages: {url}/   API: {url}/api/docs")
    notice(_who(settings, open_to_all=open_to_all))
    cannot = CliError(f"{address}:{number} cannot be had", ExitCode.UNREACHABLE)
    try:
        server.run()
    except SystemExit as ended:
        # Uvicorn has logged why.
        raise cannot from ended
    if not server.started:
        raise cannot


def _server(settings: Settings, address: str, number: int) -> "Server":
    """The server, not started yet.

    Raises:
        CliError: what it needs is not installed.
    """
    # Here, because they take longer to load than most commands take altogether.
    try:
        import uvicorn  # noqa: PLC0415

        from api.app import create_app  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        # An extra that a worker does without.
        if missing.name is None or missing.name.split(".")[0] not in _EXTRA:
            raise
        raise CliError("the API is not installed: pip install 'drs-waves[api]'") from missing
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=address,
            port=number,
            log_level="warning",
            # Event streams and pages stay open until they are told to end.
            timeout_graceful_shutdown=2,
        )
    )


def _who(settings: Settings, *, open_to_all: bool) -> str:
    if open_to_all:
        return (
            "No authentication is configured: this machine only, and everybody on it may do "
            "everything."
        )
    known = []
    if settings.api_tokens:
        known.append(f"the tokens of {', '.join(sorted(settings.api_tokens))}")
    if settings.oidc_issuer:
        known.append(f"JWTs of {settings.oidc_issuer} for {settings.oidc_audience}")
    return f"Callers are known by {' and '.join(known)}; roles are {', '.join(Role)}."

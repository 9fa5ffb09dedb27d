"""Whether a command goes through the API or to Temporal itself: decided here for all commands."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec

from client.errors import RefusedError
from client.recoveries.protocol import Recoveries
from client.recoveries.temporal import TemporalRecoveries
from security.signers import RequestSigner
from settings import get_settings

Choice = Callable[[], AbstractAsyncContextManager[Recoveries]]


@asynccontextmanager
async def recoveries(
    signer: RequestSigner | None = None, *, can_sign: bool = False
) -> AsyncIterator[Recoveries]:
    """The executions of the API that DRS_WAVES_API_URL names; without it, those of Temporal.

    Args:
        signer: signs with an offline key; then it is Temporal itself, as the API may be lost.
        can_sign: the command has the options for such a key, so errors of the API name them.

    Raises:
        RefusedError: the packages that the API needs are not installed.
    """
    if signer is not None or get_settings().api_url is None:
        yield TemporalRecoveries(signer=signer)
        return
    require_api_client()
    # Imported here, because a worker does not need its packages, and commands start sooner.
    from client.remote.recoveries import api_recoveries  # noqa: PLC0415

    async with api_recoveries(get_settings(), if_lost=without_the_api(can_sign=can_sign)) as found:
        yield found


@asynccontextmanager
async def temporal_itself() -> AsyncIterator[Recoveries]:
    """The executions of Temporal, whatever DRS_WAVES_API_URL is."""
    yield TemporalRecoveries()


def without_the_api(*, can_sign: bool) -> str:
    """What to do when the API, or what it needs, is lost; errors of the API end with it.

    Args:
        can_sign: the command has the options that sign with an offline key.
    """
    text = "If the API or its identity provider is lost, `unset DRS_WAVES_API_URL` and repeat the "
    text += "command: it then goes directly to the Temporal of TEMPORAL_ADDRESS"
    if can_sign:
        text += ". Where workers require signed requests, repeat it with `--break-glass REASON "
        text += "--key FILE`, which goes there too"
    return text


def refuse_through_the_api(command: str) -> None:
    """Refuse a command that the API cannot do, before it does anything.

    Raises:
        RefusedError: DRS_WAVES_API_URL is set.
    """
    if get_settings().api_url is not None:
        raise RefusedError(f"{command} needs Temporal itself; unset DRS_WAVES_API_URL")


def require_api_client() -> None:
    """Check that what a client of the API needs is installed.

    Raises:
        RefusedError: a package is missing.
    """
    if any(find_spec(name) is None for name in ("httpx", "keyring")):
        raise RefusedError(
            "DRS_WAVES_API_URL is set, but the API's client is not installed: "
            "pip install 'drs-waves[remote]'"
        )

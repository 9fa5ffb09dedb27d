"""How to sign in. It needs no token."""

from fastapi import APIRouter

from api.auth.access import Service
from client.remote.sign_in_options import SignInOptions

router = APIRouter(tags=["Caller"])


@router.get("/sign-in", summary="Get how the command line signs in")
async def sign_in(service: Service) -> SignInOptions:
    """Return the identity provider and the public client, as `drs-waves login` asks for them."""
    settings = service.settings
    return SignInOptions(
        is_open=service.authenticator.is_open,
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_cli_client_id,
        scopes=settings.oidc_cli_scopes,
        audience=settings.oidc_audience,
    )

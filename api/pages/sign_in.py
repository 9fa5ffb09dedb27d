"""Sign-in: the token is in a cookie that scripts cannot read and other sites cannot send."""

from contextlib import suppress
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.audited_requests import note_refusal
from api.auth.provider import ProviderUnavailableError
from api.auth.provider_sign_in import SIGN_IN_SECONDS, ProviderSignIn, SignInError
from api.auth.rate_limits import address_of
from api.auth.tokens import (
    Authenticator,
    NotAuthenticatedError,
    Principal,
    TokenMissingError,
)
from api.pages.assets import document
from api.pages.rendering import render
from api.problems import problem_of
from settings import Settings

_COOKIE = "drs_waves_token"
_BEGUN_COOKIE = "drs_waves_sign_in"
_CALLBACK = "/sign-in/callback"
# Browsers silently drop larger cookies.
_MAX_TOKEN_CHARACTERS = 3800
_MAX_PATH_CHARACTERS = 1000
_MAX_FORM_BYTES = 16_384


def token_of(request: Request) -> str | None:
    """The token in a request's cookie."""
    return request.cookies.get(_COOKIE)


async def current_user(authenticator: Authenticator, request: Request) -> Principal:
    """The user of a page.

    Raises:
        NotAuthenticatedError: the token is missing or not valid.
        ProviderUnavailableError: the token cannot be verified now.
    """
    return await authenticator.authenticate(token_of(request), address_of(request))


async def user_of(authenticator: Authenticator, request: Request) -> Principal | Response:
    """The user of a page, or the response that leads to the sign-in."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        return await current_user(authenticator, request)
    except (NotAuthenticatedError, ProviderUnavailableError):
        # Browsers leave out the SameSite=Strict cookie after a link on another site, such as a
        # chat. The reload sends it.
        if token_of(request) is None and request.headers.get("sec-fetch-site") == "cross-site":
            return _reload(path)
        return RedirectResponse(sign_in_address(path), status_code=303)


def sign_in_address(path: str) -> str:
    """The address of the sign-in page that leads back to a path."""
    return f"/sign-in?next={quote(path, safe='/')}"


class SignInPages:
    """Signs people in by a token that they have, or at the identity provider."""

    def __init__(self, settings: Settings, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._public_url = settings.public_url
        self._provider = (
            ProviderSignIn(settings, authenticator) if settings.oidc_client_id is not None else None
        )
        self._takes_tokens = bool(settings.api_tokens) or self._provider is None

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        app.get("/sign-in", include_in_schema=False)(self.form)
        app.post("/sign-in", include_in_schema=False, max_body_size=_MAX_FORM_BYTES)(self.by_token)
        app.post("/sign-out", include_in_schema=False)(self.sign_out)
        if self._provider is not None:
            app.get("/sign-in/provider", include_in_schema=False)(self.to_provider)
            app.get(_CALLBACK, include_in_schema=False)(self.from_provider)

    async def form(self, request: Request) -> Response:
        """Offer the ways to sign in, unless the user is signed in."""
        next_path = _next_path(request)
        try:
            await current_user(self._authenticator, request)
        except TokenMissingError:
            return self._page(next_path)
        except NotAuthenticatedError:
            return self._page(next_path, "your sign-in has ended; sign in again")
        except ProviderUnavailableError as error:
            text = f"your token cannot be verified now: {error}"
            return self._page(next_path, text, status=503)
        return RedirectResponse(next_path, status_code=303)

    async def by_token(
        self,
        request: Request,
        token: Annotated[str, Form()] = "",
        next_: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        """Sign in with a token."""
        token, next_path = token.strip(), _local_path(next_)
        # Another site could sign people in as somebody else, who would then get their inputs.
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return self._page(next_path, "a page of another site may not sign you in", status=403)
        if len(token) > _MAX_TOKEN_CHARACTERS:
            return self._page(next_path, _too_long(token))
        try:
            await self._authenticator.authenticate(token, address_of(request))
        except (NotAuthenticatedError, ProviderUnavailableError) as error:
            problem = problem_of(error)
            page = self._page(next_path, str(error), status=problem.status)
            page.headers.update(problem.headers)
            return page
        response = RedirectResponse(next_path, status_code=303)
        self._set_cookie(request, response, token)
        return response

    async def to_provider(self, request: Request) -> Response:
        """Begin a sign-in at the provider."""
        assert self._provider is not None
        next_path = _next_path(request)
        redirect_uri = f"{self._public_url or request.base_url}".rstrip("/") + _CALLBACK
        try:
            address, kept = await self._provider.begin(redirect_uri, next_path)
        except ProviderUnavailableError as error:
            return self._page(next_path, f"nobody can sign in there now: {error}", status=503)
        response = RedirectResponse(address, status_code=303)
        response.set_cookie(
            _BEGUN_COOKIE,
            kept,
            max_age=SIGN_IN_SECONDS,
            path=_CALLBACK,
            httponly=True,
            # The provider's page leads to the callback, so Strict would leave it out.
            samesite="lax",
            secure=self._is_secure(request),
        )
        return response

    async def from_provider(self, request: Request) -> Response:
        """End a sign-in at the provider."""
        assert self._provider is not None
        next_path, answer = "/", request.query_params
        try:
            begun = self._provider.begun(request.cookies.get(_BEGUN_COOKIE), answer)
            next_path = begun.next_path
            token = await self._provider.token(begun, answer)
        except ProviderUnavailableError as error:
            return self._page(next_path, f"nobody can sign in there now: {error}", status=503)
        except (SignInError, NotAuthenticatedError) as error:
            return self._page(next_path, str(error))
        if len(token) > _MAX_TOKEN_CHARACTERS:
            return self._page(next_path, _too_long(token))
        # The audit log has who it is from here.
        await self._authenticator.authenticate(token, address_of(request))
        # Not a redirect, which would still be the other site's, without the Strict cookie.
        response = _reload(next_path)
        self._set_cookie(request, response, token)
        response.delete_cookie(_BEGUN_COOKIE, path=_CALLBACK, httponly=True, samesite="lax")
        return response

    async def sign_out(self, request: Request) -> Response:
        """Forget the token, and offer to sign out of the provider too."""
        # The audit log says who it was, if the token is still valid.
        with suppress(NotAuthenticatedError, ProviderUnavailableError):
            await current_user(self._authenticator, request)
        provider_address = await self._provider.sign_out_address() if self._provider else None
        response = self._page("/", is_signed_out=True, provider_address=provider_address)
        response.delete_cookie(_COOKIE, httponly=True, samesite="strict")
        return response

    def _set_cookie(self, request: Request, response: Response, token: str) -> None:
        secure = self._is_secure(request)
        response.set_cookie(_COOKIE, token, httponly=True, samesite="strict", secure=secure)

    def _is_secure(self, request: Request) -> bool:
        return (self._public_url or str(request.url)).startswith("https:")

    def _page(
        self,
        next_path: str,
        error: str = "",
        *,
        status: int | None = None,
        is_signed_out: bool = False,
        provider_address: str | None = None,
    ) -> Response:
        if error:
            note_refusal("SIGN_IN_REFUSED", error)
        body = render(
            "sign_in",
            next=next_path,
            error=error,
            is_signed_out=is_signed_out,
            provider=self._provider.host if self._provider else None,
            provider_address=provider_address,
            takes_tokens=self._takes_tokens,
        )
        return document("Sign in to drs-waves", body, status=status or (401 if error else 200))


def _reload(path: str) -> Response:
    """A page of this site that leads to a path, so that the browser sends its Strict cookies."""
    return document("drs-waves", render("reload", address=path))


def _too_long(token: str) -> str:
    return (
        f"the token has {len(token)} characters, and browsers keep at most {_MAX_TOKEN_CHARACTERS} "
        "in a cookie; have the identity provider leave claims out of it, such as groups"
    )


def _next_path(request: Request) -> str:
    return _local_path(request.query_params.get("next", "/"))


def _local_path(path: str) -> str:
    """A path on this server; "/" for anything else, so that no redirect leads to another site."""
    # Browsers read "\" as "/", leave line breaks out, and take "//host" for another site.
    is_local = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_local and path.isprintable() and len(path) <= _MAX_PATH_CHARACTERS else "/"

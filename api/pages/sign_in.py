"""Sign-in: the token is in a cookie that scripts cannot read and other sites cannot send."""

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.auth.rate_limits import address_of
from api.auth.tokens import (
    Authenticator,
    NotAuthenticatedError,
    Principal,
    ProviderUnavailableError,
)
from api.pages.assets import document
from api.pages.rendering import render
from api.problems import problem_of

_COOKIE = "drs_waves_token"
# Browsers silently drop larger cookies.
_MAX_TOKEN_CHARACTERS = 3800
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
    try:
        return await current_user(authenticator, request)
    except NotAuthenticatedError:
        # Browsers leave out the SameSite=Strict cookie after a link on another site, such as a
        # chat. The reload sends it.
        if token_of(request) is None and request.headers.get("sec-fetch-site") == "cross-site":
            return document("drs-waves", render("reload", address=request.url.path))
        return RedirectResponse(sign_in_address(request.url.path), status_code=303)
    except ProviderUnavailableError as error:
        return _form_page(
            request.url.path, f"your token cannot be verified now: {error}", status=503
        )


def sign_in_address(path: str) -> str:
    """The address of the sign-in page that leads back to a path."""
    return f"/sign-in?next={quote(path, safe='/')}"


def add_to(app: FastAPI, authenticator: Authenticator) -> None:
    """Add sign-in and sign-out."""

    @app.get("/sign-in", include_in_schema=False)
    async def sign_in_form(request: Request) -> Response:
        if authenticator.is_open:
            return RedirectResponse("/", status_code=303)
        return _form_page(_local_path(request.query_params.get("next", "/")))

    @app.post("/sign-in", include_in_schema=False, max_body_size=_MAX_FORM_BYTES)
    async def sign_in(
        request: Request,
        token: Annotated[str, Form()] = "",
        next_: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        token, next_path = token.strip(), _local_path(next_)
        if len(token) > _MAX_TOKEN_CHARACTERS:
            return _form_page(
                next_path, f"the token is longer than {_MAX_TOKEN_CHARACTERS} characters"
            )
        try:
            await authenticator.authenticate(token, address_of(request))
        except (NotAuthenticatedError, ProviderUnavailableError) as error:
            problem = problem_of(error)
            page = _form_page(next_path, str(error), status=problem.status)
            page.headers.update(problem.headers)
            return page
        response = RedirectResponse(next_path, status_code=303)
        response.set_cookie(
            _COOKIE,
            token,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    @app.post("/sign-out", include_in_schema=False)
    async def sign_out() -> Response:
        response = RedirectResponse("/sign-in", status_code=303)
        response.delete_cookie(_COOKIE, httponly=True, samesite="strict")
        return response


def _form_page(next_path: str, error: str = "", *, status: int | None = None) -> Response:
    body = render("sign_in", next=next_path, error=error)
    return document("Sign in to drs-waves", body, status=status or (401 if error else 200))


def _local_path(path: str) -> str:
    """A path on this server; "/" for anything else, so that no redirect leads to another site."""
    parts = urlsplit(path)
    is_local = not parts.scheme and not parts.netloc and path.startswith("/") and "\\" not in path
    return path if is_local and not path.startswith("//") and path.isprintable() else "/"

"""The token of a reader, kept in a cookie that no script can read and no other site can send."""

from urllib.parse import parse_qs, quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth.tokens import Gate, NotAuthenticatedError, Principal, ProviderAwayError
from api.pages.assets import page_head
from api.pages.rendering import render

_COOKIE = "drs_waves_token"
# Browsers drop larger cookies without a word.
_MOST_CHARACTERS = 3800
_MOST_BYTES = 16_384


def token_of(request: Request) -> str | None:
    """The token that a browser sent."""
    return request.cookies.get(_COOKIE)


async def reader_of(gate: Gate, request: Request) -> Principal | Response:
    """Who reads a page; or the answer that lets the reader sign in."""
    try:
        return await gate.admit(token_of(request))
    except NotAuthenticatedError:
        # A link in a chat leads here without the cookie, which comes with the next request.
        if token_of(request) is None and request.headers.get("sec-fetch-site") == "cross-site":
            return _document("drs-waves", render("again", address=request.url.path))
        return RedirectResponse(sign_in_address(request.url.path), status_code=303)
    except ProviderAwayError as error:
        return _asked(request.url.path, f"who you are cannot be checked now: {error}", status=503)


def sign_in_address(path: str) -> str:
    """Where to sign in, to come back to a page."""
    return f"/sign-in?next={quote(path, safe='/')}"


def add_to(app: FastAPI, gate: Gate) -> None:
    """Add signing in and out."""

    @app.get("/sign-in", include_in_schema=False)
    async def ask(request: Request) -> Response:
        if gate.is_open:
            return RedirectResponse("/", status_code=303)
        return _asked(_own_path(request.query_params.get("next")))

    @app.post("/sign-in", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        fields = await _form(request)
        token, following = fields.get("token", "").strip(), _own_path(fields.get("next"))
        if len(token) > _MOST_CHARACTERS:
            return _asked(following, f"the token is longer than {_MOST_CHARACTERS} characters")
        try:
            await gate.admit(token)
        except (NotAuthenticatedError, ProviderAwayError) as error:
            return _asked(following, str(error))
        answer = RedirectResponse(following, status_code=303)
        answer.set_cookie(
            _COOKIE,
            token,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @app.post("/sign-out", include_in_schema=False)
    async def sign_out() -> Response:
        answer = RedirectResponse("/sign-in", status_code=303)
        answer.delete_cookie(_COOKIE, httponly=True, samesite="strict")
        return answer


def _asked(following: str, wrong: str = "", *, status: int | None = None) -> Response:
    body = render("sign_in", next=following, wrong=wrong)
    return _document("Sign in to drs-waves", body, status=status or (401 if wrong else 200))


def _document(title: str, body: str, *, status: int = 200) -> Response:
    html = render("document", title=title, head=page_head(), body=body)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


def _own_path(given: str | None) -> str:
    """A path of ours and nothing else: no reader is sent on to another site."""
    path = given or "/"
    parts = urlsplit(path)
    own = not parts.scheme and not parts.netloc and path.startswith("/") and "\\" not in path
    return path if own and not path.startswith("//") and path.isprintable() else "/"


async def _form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return {}
    try:
        parsed = parse_qs(bytes(body).decode())
    except (UnicodeDecodeError, ValueError):
        return {}
    return {name: values[0] for name, values in parsed.items()}

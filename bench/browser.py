"""Runs Chromium without background network traffic."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, ViewportSize, async_playwright

# The name on Debian, then the names on other systems.
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)
_DESKTOP: ViewportSize = {"width": 1440, "height": 900}
_PROJECTOR: ViewportSize = {"width": 1920, "height": 1080}
_PHONE: ViewportSize = {"width": 390, "height": 844}


def chromium_path() -> str | None:
    """The path of Chromium, or None if it is not installed."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Headless Chromium for the block."""
    with tempfile.TemporaryDirectory(prefix="drs-waves-browser-") as home:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium_path(), args=list(_ARGUMENTS), env={"HOME": home}
            )
            async with browser:
                yield browser


@asynccontextmanager
async def window(
    browser: Browser,
    *,
    dark: bool = False,
    phone: bool = False,
    projector: bool = False,
    zone: str = "UTC",
) -> AsyncIterator[BrowserContext]:
    """A browser context without cookies or history, with a desktop's viewport or another one."""
    viewport = _PHONE if phone else _PROJECTOR if projector else _DESKTOP
    context = await browser.new_context(
        viewport=viewport,
        color_scheme="dark" if dark else "light",
        is_mobile=phone,
        has_touch=phone,
        timezone_id=zone,
    )
    async with context:
        yield context

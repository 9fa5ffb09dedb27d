"""Runs Chromium without background network traffic."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, async_playwright

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
DESKTOP_VIEWPORT = {"width": 1440, "height": 900}
PHONE_VIEWPORT = {"width": 390, "height": 844}


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
            try:
                yield browser
            finally:
                await browser.close()


@asynccontextmanager
async def window(
    browser: Browser, *, dark: bool = False, phone: bool = False, high_resolution: bool = False
) -> AsyncIterator[BrowserContext]:
    """A browser context without cookies or history.

    Args:
        browser: the browser.
        dark: whether the color scheme is dark.
        phone: whether the viewport has the size of a phone.
        high_resolution: whether to render two device pixels per CSS pixel, for screenshots.
    """
    context = await browser.new_context(
        viewport={"width": PHONE_VIEWPORT["width"], "height": PHONE_VIEWPORT["height"]}
        if phone
        else {"width": DESKTOP_VIEWPORT["width"], "height": DESKTOP_VIEWPORT["height"]},
        color_scheme="dark" if dark else "light",
        device_scale_factor=2 if high_resolution else 1,
        is_mobile=phone,
        has_touch=phone,
        timezone_id="UTC",
    )
    try:
        yield context
    finally:
        await context.close()

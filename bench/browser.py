"""A real browser, which goes nowhere but where it is sent."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, async_playwright

# Debian's name, and others'.
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
    """Where Chromium is; None where it is not installed."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Chromium, without a window, for the block."""
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
    """A window without a past, whose system is dark or light.

    Args:
        browser: whose it is.
        dark: what the system prefers.
        phone: whether it is as small as a phone.
        high_resolution: two dots a pixel, for pictures.
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

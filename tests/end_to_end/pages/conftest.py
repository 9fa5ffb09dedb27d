"""The pages in a real browser, served by `drs-waves serve`."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout
from temporalio.client import Client

from bench.browser import chromium_path, running_browser, window
from recovery.plan.model import RecoveryPlan
from sandbox.stack import Stack
from settings import get_settings
from storage.plans import PlanTable
from tests.shared_servers import own_stack, stop

Open = Callable[..., Coroutine[Any, Any, "Tab"]]


@dataclass
class Tab:
    """A page in the browser.

    Attributes:
        console_errors: the errors on its console.
        hosts: the hosts that it sent requests to.
    """

    page: Page
    console_errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.page.on(
            "console",
            lambda line: self.console_errors.append(line.text) if line.type == "error" else None,
        )
        self.page.on("request", lambda request: self._record_host(request.url))

    def node(self, wave_id: str) -> Locator:
        """A wave in the graph."""
        return self.page.locator(f'button.node[data-choose="{wave_id}"]')

    async def sees(self, selector: str, text: str, *, within: float = 60.0) -> None:
        """Wait for a text in the first element that matches a selector."""
        found = self.page.locator(selector, has_text=text).first
        try:
            await found.wait_for(timeout=within * 1000)
        except PlaywrightTimeout as missing:
            shown = await self.page.locator("body").inner_text()
            raise AssertionError(
                f"{text!r} is not in {selector}; the page says:\n{shown}"
            ) from missing

    async def shows(self, wave_id: str, text: str, *, within: float = 60.0) -> None:
        """Wait for a text in a wave of the graph."""
        await self.sees(f'button.node[data-choose="{wave_id}"]', text, within=within)

    async def is_as_wide_as_its_window(self) -> bool:
        """Whether the page does not scroll sideways."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        return wide

    def _record_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.netloc)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    if chromium_path() is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    async with running_browser() as running:
        yield running


@pytest.fixture(scope="package")
async def stack(
    shared_servers: Stack, shared_temporal: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """One stack and server for all tests of the package."""
    own = await own_stack(shared_servers, shared_temporal, tmp_path_factory.mktemp("pages"))
    yield own
    await stop(own)


@pytest.fixture(scope="package")
async def served(stack: Stack) -> AsyncIterator[str]:
    """The URL of the pages without authentication."""
    await asyncio.to_thread(stack.start_server)
    yield stack.pages_url
    await asyncio.to_thread(stack.stop_part, "server")


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[Open]:
    """Opens pages in separate windows; none may log errors or send requests to other hosts."""
    tabs: list[Tab] = []
    closing = []

    async def open_it(url: str, **how: Any) -> Tab:
        opened = window(browser, **how)
        context = await opened.__aenter__()
        closing.append(opened)
        tab = Tab(await context.new_page())
        tabs.append(tab)
        await tab.page.goto(url)
        return tab

    yield open_it
    for each in closing:
        await each.__aexit__(None, None, None)
    assert not [error for tab in tabs for error in tab.console_errors]
    for tab in tabs:
        assert tab.hosts == {urlsplit(tab.page.url).netloc}


async def register(plan: RecoveryPlan) -> None:
    """Register a plan, so that the overview shows it."""
    await PlanTable(get_settings()).register(plan, author=f"test-{os.getpid()}")

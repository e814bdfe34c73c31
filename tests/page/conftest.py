"""A real Chromium on the real service: one for local use, one with keys and narrow limits."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from clinical_ner.serving import keys, local
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
MAX_CHARACTERS = 2_000  # of a note, for the service with keys


@dataclass(frozen=True)
class Site:
    """A running service and its store."""

    server: local.Server
    store: Path
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    def feedback(self) -> list[dict[str, Any]]:
        """What is stored, in order."""
        with sqlite3.connect(self.store) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("select * from feedback order by created_at").fetchall()
        return [{**row, "spans": row["spans"] and json.loads(row["spans"])} for row in map(dict, rows)]


@pytest.fixture(scope="module")  # while Playwright runs, no other test of the process can run an event loop
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(CHROMIUMS)} is on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For local use: no keys."""
    home = tmp_path_factory.mktemp("page")
    store = home / "feedback.sqlite"
    settings = {"LOCAL": "true", "MODEL": str(model_path), "STORE": f"sqlite:///{store}"}
    with local.running(SERVICE, ROOT, home, **prefixed(settings)) as server:
        yield Site(server, store)


@pytest.fixture(scope="session")
def keyed(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a key of each role, and short notes alone."""
    home = tmp_path_factory.mktemp("keyed")
    store, file = home / "feedback.sqlite", home / "keys.json"
    secrets = {role.value: keys.create(file, f"the {role} key", [role], now())[1] for role in Role}
    settings = {"KEYS": str(file), "MODEL": str(model_path), "STORE": f"sqlite:///{store}"}
    limits = {"MAX_NOTE_CHARACTERS": str(MAX_CHARACTERS)}
    with local.running(SERVICE, ROOT, home, **prefixed(settings | limits)) as server:
        yield Site(server, store, secrets)


def prefixed(settings: dict[str, str]) -> dict[str, str]:
    return {f"CLINICAL_NER_{name}": value for name, value in settings.items()}


@dataclass
class Visit:
    """A page in a context of its own, and all that it asked for and said."""

    page: Page
    context: BrowserContext
    requests: list[Request] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Paste a note and find its entities, by keyboard."""
        self.page.locator("#text").focus()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("ControlOrMeta+Enter")
        self.page.locator("#result").wait_for()

    def press(self, *pressed: str) -> None:
        for key in pressed:
            self.page.keyboard.press(key)

    def marks(self) -> list[tuple[str, str, str]]:
        """Words, label and assertion of what is marked in the note, as a reader of the screen hears them."""
        named = self.page.locator("#note .entity").evaluate_all("marks => marks.map((mark) => mark.ariaLabel)")
        return [tuple(name.removesuffix(", corrected").rsplit(", ", 2)) for name in named]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens a page of a site; what its scripts fail with fails the test."""
    visits: list[Visit] = []

    def opened(site: Site, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        page = context.new_page()
        page.set_default_timeout(20_000)
        new = Visit(page, context)
        visits.append(new)
        page.on("request", lambda request: new.requests.append(request))
        page.on("console", lambda message: new.console.append(message.text))
        page.on("pageerror", lambda error: new.failures.append(str(error)))
        page.goto(site.url)
        page.wait_for_load_state("networkidle")
        return new

    yield opened
    for one in visits:
        one.context.close()
    assert [failure for one in visits for failure in one.failures] == []

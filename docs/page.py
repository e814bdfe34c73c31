"""Take README's picture of the page: a Chromium on the real service, with the page's own made-up note."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.serving import local

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/page.png"
SCREEN = ViewportSize(width=1440, height=1196)


def main() -> None:
    """Start the service, read the made-up note, choose an entity and take the picture."""
    with (
        tempfile.TemporaryDirectory() as folder,
        local.running("clinical_ner.serving.service:Service", ROOT, Path(folder)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=_chromium())
        page = browser.new_page(viewport=SCREEN, color_scheme="light")
        page.goto(server.url)
        _correct_a_note(page)
        page.screenshot(path=PICTURE)
        browser.close()


def _correct_a_note(page: Page) -> None:
    """Leave the page as a reader sees it after a correction and a rating."""
    page.get_by_role("button", name="Use a made-up note").click()
    page.get_by_role("button", name="Find entities").click()
    page.locator("#note .entity", has_text="stroke").click()
    page.keyboard.press("Shift+ArrowDown")  # not "a stroke"
    page.get_by_role("radio", name="4", exact=True).check()
    page.locator("h1").scroll_into_view_if_needed()


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise UserError("no Chromium is on PATH", "install the package 'chromium'")
    return found


if __name__ == "__main__":
    run(main)

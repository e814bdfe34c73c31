"""Everybody can read and use the page: by keyboard, by ear, in the dark, on a narrow screen and enlarged."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from .conftest import Site, Visit

Opened = Callable[..., Visit]
NOTE = "She has gout, on allopurinol. No asthma. Her mother had a stroke. Possible pneumonia.\n"
SCREENS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}
# Text, on what, and the least contrast that WCAG 2.2 AA asks for: 4.5 of text, 3 of lines that mean something.
PAIRS = [
    *((text, ground, 4.5) for text, ground in product(["text", "quiet", "accent"], ["panel", "ground", "chosen"])),
    *((text, ground, 4.5) for text, ground in product(["disease-line"], ["disease", "panel", "chosen"])),
    *((text, ground, 4.5) for text, ground in product(["treatment-line"], ["treatment", "panel", "chosen"])),
    *((text, ground, 4.5) for text, ground in product(["text"], ["disease", "treatment", "problem", "soft"])),
    ("quiet", "problem", 4.5),
    ("on-accent", "accent", 4.5),
    ("danger", "panel", 4.5),
    ("good", "panel", 4.5),
    ("field", "panel", 3.0),
]


def faults(page: Page) -> list[str]:
    """The rules of axe that the page breaks, and where."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_no_fault(site: Site, visit: Opened, screen: str) -> None:
    there = visit(site, **SCREENS[screen])
    found = faults(there.page)
    there.read(NOTE)
    there.press("ArrowRight")
    found += faults(there.page)
    there.press("?")
    found += faults(there.page)
    there.press("Escape", "n")
    found += faults(there.page)
    there.page.route("**/feedback", lambda route: route.fulfill(status=403, body=""))
    there.page.locator("#with-spans").check()
    there.page.get_by_role("button", name="Send feedback").click()
    there.page.get_by_role("alert").wait_for()
    found += faults(there.page)

    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_in_contrast(site: Site, visit: Opened, scheme: str) -> None:
    page = visit(site, color_scheme=scheme).page
    names = sorted({name for pair in PAIRS for name in pair[:2]})
    colours = page.evaluate(
        "names => names.map((name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim())",
        names,
    )
    luminances = dict(zip(names, map(luminance, colours), strict=True))

    low = [pair for pair in PAIRS if contrast(luminances[pair[0]], luminances[pair[1]]) < pair[2]]

    assert low == []


@pytest.mark.parametrize(("width", "size"), [(320, "100%"), (360, "100%"), (640, "100%"), (1280, "200%")])
def test_nothing_is_cut_off_on_narrow_or_enlarged_screens(site: Site, visit: Opened, width: int, size: str) -> None:
    there = visit(site, viewport={"width": width, "height": 740})
    page = there.page
    page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
    widths = [page.evaluate("document.documentElement.scrollWidth")]
    there.read(NOTE)
    there.press("ArrowRight")
    widths.append(page.evaluate("document.documentElement.scrollWidth"))

    assert max(widths) <= width


def test_every_control_is_reached_by_tab_and_seen_to_have_the_focus(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)
    there.press("ArrowRight", "t")
    there.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached: dict[str, str] = {}
    for _ in range(80):
        there.press("Tab")
        name, outline = there.page.evaluate(
            """(({ activeElement: { id, name, tagName } }) =>
                [id || name || tagName, getComputedStyle(document.activeElement).outlineStyle])(document)"""
        )
        reached[name] = outline

    wanted = "note undo edit threshold assertion start end remove rating with-spans with-text send order copy download"
    assert set(wanted.split()) <= reached.keys()
    assert {name for name, outline in reached.items() if outline == "none"} <= {"BODY"}


def test_assertions_are_told_apart_without_colour(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)

    told = there.page.locator("#note .entity").evaluate_all(
        "marks => marks.map((mark) => getComputedStyle(mark, '::after').content.replaceAll('\"', '').trim())"
    )

    assert [re.sub(r"\s+", " ", tag) for tag in told] == ["D", "T", "D absent", "D family", "D uncertain"]


def test_what_happens_is_said_in_a_live_region(site: Site, visit: Opened) -> None:
    there = visit(site)
    status = there.page.locator("#result").get_by_role("status").first
    there.read(NOTE)
    expect(status).to_have_text("5 entities found.")

    there.press("ArrowRight", "Delete")

    expect(status).to_contain_text("Removed")


def test_an_error_is_in_view_wherever_the_reader_is_and_takes_no_focus(site: Site, visit: Opened) -> None:
    there = visit(site, viewport={"width": 360, "height": 740})
    there.read(NOTE)
    there.page.route("**/feedback", lambda route: route.fulfill(status=503, body=""))
    there.page.get_by_role("radio", name="5 all right").check()

    there.page.get_by_role("button", name="Send feedback").press("Enter")

    expect(there.page.get_by_role("alert")).to_be_in_viewport()
    expect(there.page.locator("#send")).to_be_focused()


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)

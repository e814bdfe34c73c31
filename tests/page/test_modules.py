"""The page's own arithmetic, in a browser: positions are Python's, and corrections keep a note in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from .conftest import Site

# Words, line ends, and signs of one and of two UTF-16 units, alone and joined.
TEXTS = st.lists(
    st.sampled_from(["gout ", "naïve", " ", "\n", "\r\n", "😀", "👩‍⚕️", "e\u0301", "-", "𝛼", "5"]) | st.text(max_size=5)
).map("".join)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "relabel", "judge", "move"]),
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(0, 5),
    ),
    max_size=12,
)
DRIVE = """
async ([text, steps]) => {
    const { Note } = await import("/page/note.js");
    const { add, remove, relabel, judge, move, plain, History } = await import("/page/corrections.js");
    const { LABELS, ASSERTIONS } = await import("/page/names.js");
    const note = new Note(text);
    const history = new History([]);
    const states = [plain(history.present)];
    const chosen = (which) => history.present[which % history.present.length]?.id ?? -1;
    const acts = {
        add: (a, b, which) => {
            const span = a < b && b <= note.length ? note.trimmed(a, b) : null;
            return span ? add(history.present, note, span, LABELS[which % 2]) : history.present;
        },
        remove: (a) => remove(history.present, chosen(a)),
        relabel: (a, _, which) => relabel(history.present, chosen(a), LABELS[which % 2]),
        judge: (a, _, which) => judge(history.present, chosen(a), ASSERTIONS[which]),
        move: (a, b, which) => move(history.present, note, chosen(which), a, b),
    };
    for (const [kind, ...where] of steps) {
        history.commit(acts[kind](...where));
        states.push(plain(history.present));
    }
    while (history.undo());
    return [states, plain(history.present)];
}
"""


@pytest.fixture(scope="module")
def modules(site: Site, browser: Browser) -> Iterator[Page]:
    """Any page of the site: its modules can be imported there."""
    page = browser.new_page()
    page.goto(site.url)
    yield page
    page.context.close()


def of_note(page: Page, text: str, expression: str) -> Any:
    """What the expression says of `note`, the note of this text."""
    return page.evaluate(
        f"async (text) => {{ const note = new (await import('/page/note.js')).Note(text); return {expression}; }}", text
    )


@given(text=TEXTS)
def test_code_points_are_counted_as_python_counts_them(modules: Page, text: str) -> None:
    slices = of_note(modules, text, "Array.from({ length: note.length }, (_, at) => note.slice(at, at + 1))")

    assert slices == list(text)


@given(text=TEXTS)
def test_a_unit_within_a_code_point_is_of_the_code_point(modules: Page, text: str) -> None:
    points = of_note(modules, text, "Array.from({ length: text.length + 1 }, (_, unit) => note.point(unit))")

    units = [len(character.encode("utf-16-le")) // 2 for character in text]
    assert points == [at for at, width in enumerate(units) for _ in range(width)] + [len(text)]


@given(text=TEXTS)
def test_words_are_in_order_and_hold_every_sign_but_white_space(modules: Page, text: str) -> None:
    words = of_note(modules, text, "note.words")
    spaces = of_note(modules, text, "Array.from(text, (character) => !character.trim())")

    covered = [at for start, end in words for at in range(start, end)]
    assert covered == sorted(set(covered))
    assert set(covered) == {at for at, is_space in enumerate(spaces) if not is_space}


@given(text=TEXTS)
def test_an_edge_that_moves_word_by_word_meets_every_word_once(modules: Page, text: str) -> None:
    met, words = of_note(
        modules,
        text,
        """(() => {
            const met = [];
            for (let at = -1, next; (next = note.step("start", at, 1)) !== at; at = next) met.push(next);
            return [met, note.words];
        })()""",
    )

    assert met == [start for start, _ in words]


@given(text=TEXTS, steps=STEPS)
def test_corrections_stay_in_order_apart_and_within_the_note(
    modules: Page, text: str, steps: list[tuple[str, int, int, int]]
) -> None:
    states, undone = modules.evaluate(DRIVE, [text, steps])

    for entities in states:
        ends = [place for entity in entities for place in (entity["start"], entity["end"])]
        assert ends == sorted(ends)
        assert all(0 <= entity["start"] < entity["end"] <= len(text) for entity in entities)
        assert [entity["text"] for entity in entities] == [text[e["start"] : e["end"]] for e in entities]
    assert undone == []

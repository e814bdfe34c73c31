"""The whole way of a reader: a note comes in, is read, corrected and rated, and the store holds what was meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from clinical_ner.core.span import ASSERTIONS, LABELS
from clinical_ner.ner import corpora

from .conftest import MAX_CHARACTERS, Site, Visit

Opened = Callable[..., Visit]
NOTE = (
    "👩‍⚕️ 😀 Ms Ä. has gout, on allopurinol. No asthma.\n"
    "Her mother had a stroke; 💊 metformin for type 2 diabetes.\n"
    "She complains of restless legs at night.\n"
)
LONG_SENTENCE = "She has hypertension and takes lisinopril; there is no history of asthma 😀. "
MARK = "Zyxwvut"  # stands for a patient's words


def spans(text: str, stored: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the stored offsets mean in the note, counted in code points as Python does."""
    return [(text[span["start"] : span["end"]], span["label"], span["assertion"]) for span in stored["spans"]]


def plain(entity: dict[str, Any]) -> tuple[str, str, str]:
    return entity["text"], entity["label"].lower(), entity["assertion"]


def sent(page: Page) -> None:
    expect(page.locator("#sent")).to_contain_text("tored")


def test_a_note_is_read_corrected_and_rated_by_keyboard_alone(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.press("Tab", "Tab", "Tab")  # the link to the note, Keyboard, the field
    assert page.evaluate("document.activeElement.id") == "text"
    there.read(NOTE)
    assert there.marks() == [plain(entity) for entity in site.server.ask(NOTE)["entities"]]
    assert ("gout", "disease", "present") in there.marks()

    there.press("ArrowRight", "t", "6")  # gout: the first
    there.press("ArrowRight", "Shift+ArrowUp")  # allopurinol: from "on"
    there.press("ArrowRight", "Delete")  # asthma
    there.press("n", "ArrowDown", "ArrowDown", "ArrowRight", "Shift+ArrowRight", "d")  # "complains of"
    while page.evaluate("document.activeElement.name") != "rating":
        there.press("Tab")
    there.press("Space", *["ArrowRight"] * 3)  # 4
    there.press("ControlOrMeta+Enter")
    sent(page)

    stored = site.feedback()[-1]
    meant = spans(NOTE, stored)
    assert meant[:2] == [("gout", "TREATMENT", "hypothetical"), ("on allopurinol", "TREATMENT", "present")]
    assert "asthma" not in {words for words, *_ in meant}
    assert ("complains of", "DISEASE", "present") in meant
    assert (stored["rating"], stored["text"]) == (4, None)


def test_words_that_are_selected_by_mouse_become_an_entity(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)
    drag_over(there.page, "at night")

    there.page.get_by_role("toolbar").get_by_role("button", name="Treatment").click()

    assert ("at night", "treatment", "present") in there.marks()
    expect(there.page.locator("#chosen-text")).to_have_text("at night")
    assert there.page.locator("#start").input_value() == str(NOTE.index("at night"))


def test_a_part_of_an_entity_that_is_selected_takes_its_place(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)
    drag_over(there.page, "restless")

    there.press("t")

    assert ("restless", "treatment", "present") in there.marks()
    assert not any("legs" in words for words, *_ in there.marks())


def test_an_entity_over_others_takes_their_place(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)
    assert ("asthma", "disease", "absent") in there.marks()
    drag_over(there.page, "No asthma")

    there.page.get_by_role("toolbar").get_by_role("button", name="Disease").click()

    assert [mark for mark in there.marks() if "asthma" in mark[0]] == [("No asthma", "disease", "absent")]


def test_the_ends_of_an_entity_are_dragged_by_mouse(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    page.locator("#note .entity", has_text="metformin").click()
    handle = box_of(page, "metformin")
    goal = box_of(page, "type 2")

    page.mouse.move(handle["right"] + 2, handle["middle"])
    page.mouse.down()
    page.mouse.move(goal["left"] - 3, goal["middle"], steps=8)
    page.mouse.up()

    assert ("metformin for", "treatment", "present") in there.marks()


def test_fields_relabel_judge_move_and_remove(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    page.locator("#entities").get_by_role("button", name="gout").click()
    page.get_by_role("radio", name="Treatment").check()
    page.get_by_label("Assertion").select_option("historical")
    page.get_by_role("button", name="Start one word earlier").click()
    page.get_by_label("End", exact=True).fill(str(NOTE.index("gout") + 3))
    page.get_by_label("End", exact=True).press("Tab")
    assert ("has gou", "treatment", "historical") in there.marks()

    page.get_by_role("button", name="Remove").click()

    assert not any("gou" in words for words, *_ in there.marks())


def test_undo_goes_back_to_the_answer_and_redo_forward_again(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)
    found = there.marks()
    there.press("ArrowRight", "t", "2", "Shift+ArrowRight", "Delete")
    corrected = there.marks()

    there.press(*["ControlOrMeta+z"] * 5)
    undone = there.marks()
    assert there.page.locator("#undo").get_attribute("aria-disabled") == "true"
    there.press(*["ControlOrMeta+Shift+z"] * 5)

    assert undone == found != corrected
    assert there.marks() == corrected


def test_the_text_is_stored_only_if_the_reader_says_so(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    assert not page.locator("#with-text").is_checked()
    page.get_by_role("radio", name="5 all right").check()
    page.get_by_role("button", name="Send feedback").click()
    sent(page)

    first = page.locator("#sent").inner_text()
    page.locator("#with-text").check()
    page.get_by_role("button", name="Send feedback").click()

    expect(page.locator("#sent")).not_to_have_text(first)
    assert [(row["text"], row["spans"]) for row in site.feedback()[-2:]] == [(None, None), (NOTE, None)]


def test_feedback_that_says_nothing_is_not_sent(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)

    there.page.get_by_role("button", name="Send feedback").click()

    expect(there.page.locator("#sent")).to_contain_text("Give a rating")
    assert not any(request.url.endswith("/feedback") for request in there.requests)


def test_feedback_whose_answer_was_lost_is_stored_once(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    before = len(site.feedback())
    page.route("**/feedback", lose_the_answer, times=1)
    page.get_by_role("radio", name="2", exact=True).check()
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")

    page.get_by_role("button", name="Try again").click()

    expect(page.locator("#sent")).to_contain_text("It had been stored before")
    assert len(site.feedback()) == before + 1


def test_the_filter_hides_what_is_unsure_and_sends_it_all_the_same(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    everything = there.marks()
    page.get_by_label("Show from confidence").fill("1")
    assert there.marks() == []
    expect(page.locator("#hidden-count")).to_contain_text(f"{len(everything)} hidden")

    page.locator("#with-spans").check()
    page.get_by_role("button", name="Send feedback").click()
    sent(page)

    assert len(site.feedback()[-1]["spans"]) == len(everything)


def test_how_sure_the_model_is_of_an_entity_is_shown_in_the_table_and_on_demand_in_the_note(
    site: Site, visit: Opened
) -> None:
    there = visit(site)
    there.read(NOTE)
    sure = [f"{entity['confidence']:.2f}" for entity in site.server.ask(NOTE)["entities"]]

    shown = there.page.locator("#entities tbody td[data-name=Confidence]")
    assert shown.all_inner_texts() == sure
    assert not any(number in label for number, label in zip(sure, behind_marks(there.page), strict=True))
    there.page.get_by_label("confidence in the note").check()
    assert all(number in label for number, label in zip(sure, behind_marks(there.page), strict=True))


def test_codes_triggers_and_treatments_are_shown(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)

    rows = there.page.locator("#entities tbody tr")
    expect(rows.filter(has_text="gout")).to_contain_text("MeSH D006073 ICD-10-CM M10.9")
    expect(rows.filter(has_text="asthma")).to_contain_text("absent No")
    treated = there.page.locator("#treatments tbody tr").filter(has_text="gout")
    expect(treated).to_contain_text("allopurinol")


def test_the_result_is_taken_along_as_json_and_as_an_annotated_note(site: Site, visit: Opened, tmp_path: Path) -> None:
    there = visit(site)
    there.read(NOTE)
    there.press("ArrowRight", "t")

    answer = json.loads(downloaded(there.page, "Download JSON").read_text("utf-8"))
    lines = tmp_path / "note.jsonl"
    lines.write_bytes(downloaded(there.page, "JSONL").read_bytes())

    assert [plain(entity) for entity in answer["entities"]] == there.marks()
    assert {"prediction_id", "model_version", "treatments"} <= answer.keys()
    (annotated,) = corpora.read_corpus(lines, corpora.Format.JSONL).documents
    assert annotated.text == NOTE
    assert [(NOTE[s.start : s.end], s.label.lower()) for s in annotated.spans] == [mark[:2] for mark in there.marks()]


# --- files -------------------------------------------------------------------------------------
def test_a_file_is_opened_and_offsets_are_those_of_the_file(site: Site, visit: Opened) -> None:
    there = visit(site)
    text = NOTE.replace("\n", "\r\n")
    there.page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": text.encode()})
    expect(there.page.get_by_role("status").first).to_contain_text("File opened")
    there.page.get_by_role("button", name="Find entities").click()

    there.page.locator("#entities").get_by_role("button", name="metformin").click()

    assert there.page.locator("#start").input_value() == str(text.index("metformin"))


def test_a_file_is_dropped_anywhere_on_the_page(site: Site, visit: Opened) -> None:
    page = visit(site).page

    page.evaluate(
        """text => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([text], "a.txt", { type: "text/plain" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true }));
        }""",
        NOTE,
    )

    expect(page.locator("#text")).to_have_value(NOTE)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("Ménière's disease".encode("windows-1252"), "Ménière's disease"),
        ("Ménière's disease".encode("utf-16"), "Ménière's disease"),
        (b"\xef\xbb\xbfgout", "gout"),
    ],
    ids=["windows-1252", "utf-16", "with a mark of its byte order"],
)
def test_files_in_older_encodings_are_read(site: Site, visit: Opened, content: bytes, shown: str) -> None:
    page = visit(site).page

    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": content})

    expect(page.locator("#text")).to_have_value(shown)


def test_a_file_that_is_no_text_is_refused_plainly(site: Site, visit: Opened) -> None:
    page = visit(site).page

    page.set_input_files("#file", {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF\0\0"})

    expect(page.get_by_role("alert")).to_contain_text("no plain text")


def test_corrections_are_not_left_behind_unasked(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    there.press("ArrowRight", "t")
    page.get_by_role("button", name="Other note").click()
    page.get_by_role("button", name="Stay here").click()
    assert page.locator("#result").is_visible()

    page.get_by_role("button", name="Other note").click()
    page.get_by_role("button", name="Leave them").click()

    expect(page.locator("#text")).to_be_focused()


# --- what goes wrong -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "remedy"),
    [(413, "divide it"), (429, "Try again in a moment"), (502, "Try again"), (503, "Try again"), (504, "shorter note")],
)
def test_an_error_of_a_gateway_is_told_with_its_remedy(site: Site, visit: Opened, status: int, remedy: str) -> None:
    page = visit(site).page
    page.route("**/extract", lambda route: route.fulfill(status=status, body="<html>nginx</html>"), times=1)
    page.locator("#text").fill(NOTE)

    page.get_by_role("button", name="Find entities").click()

    expect(page.get_by_role("alert")).to_contain_text(remedy, ignore_case=True)
    assert page.locator("#text").input_value() == NOTE


def test_a_request_that_may_succeed_later_is_repeated_by_a_button(site: Site, visit: Opened) -> None:
    page = visit(site).page
    page.route("**/extract", lambda route: route.fulfill(status=429, body=""), times=1)
    page.locator("#text").fill(NOTE)
    page.get_by_role("button", name="Find entities").click()

    page.get_by_role("button", name="Try again").click()

    expect(page.locator("#note .entity").first).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_an_answer_to_a_note_that_was_changed_meanwhile_is_not_shown(site: Site, visit: Opened) -> None:
    page = visit(site).page
    held: list[Route] = []
    page.route("**/extract", lambda route: held.append(route), times=1)
    page.locator("#text").fill(NOTE)
    page.get_by_role("button", name="Find entities").click()
    expect(page.locator("#extract")).to_have_attribute("aria-busy", "true")

    page.locator("#text").fill("Another note, of gout.")
    held[0].continue_()

    expect(page.locator(".status").first).to_contain_text("changed meanwhile")
    expect(page.locator("#result")).to_be_hidden()
    assert page.locator("#text").input_value() == "Another note, of gout."


def test_a_late_answer_to_feedback_says_nothing_of_the_note_that_is_shown_by_then(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(NOTE)
    before = len(site.feedback())
    held: list[Route] = []
    page.route("**/feedback", lambda route: held.append(route), times=1)
    page.get_by_role("radio", name="2", exact=True).check()
    page.get_by_role("button", name="Send feedback").click()
    expect(page.locator("#send")).to_have_attribute("aria-busy", "true")
    page.locator("#edit").click()
    there.read("She has gout.")
    expect(page.locator("#note")).to_have_text("She has gout.")

    held[0].continue_()
    expect(page.locator("#send")).not_to_have_attribute("aria-busy", "true")

    assert page.locator("#sent").text_content() == ""
    assert len(site.feedback()) == before + 1


def test_a_failure_of_the_page_itself_is_not_taken_for_one_of_the_service(site: Site, visit: Opened) -> None:
    visited = visit(site)
    page = visited.page
    page.route("**/extract", lambda route: route.fulfill(status=200, json={"entities": 1}), times=1)
    page.locator("#text").fill(NOTE)

    page.get_by_role("button", name="Find entities").click()
    expect(page.locator("#extract")).not_to_have_attribute("aria-busy", "true")

    expect(page.get_by_role("alert")).to_contain_text("This page failed, not the service")
    expect(page.locator(".status").first).to_be_empty()
    assert visited.failures
    visited.failures.clear()


def test_the_services_own_error_is_told_with_its_details_and_request_id(keyed: Site, visit: Opened) -> None:
    page = visit(keyed, http_credentials={"username": "me", "password": keyed.secrets["extract"]}).page
    page.locator("#text").fill("x" * (MAX_CHARACTERS + 1))

    page.get_by_role("button", name="Find entities").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("A note is too long")
    expect(alert).to_contain_text(f"more than {MAX_CHARACTERS} characters")
    expect(alert).to_contain_text("Request ")


def test_a_browser_without_a_key_is_asked_for_one(keyed: Site) -> None:
    answers = [httpx.get(f"{keyed.url}{path}") for path in ("/", "/page/app.js")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert {answer.headers["www-authenticate"].split()[0] for answer in answers} == {"Basic"}


def test_a_key_without_the_role_can_be_replaced_for_this_tab(keyed: Site, visit: Opened) -> None:
    there = visit(keyed, http_credentials={"username": "me", "password": keyed.secrets["extract"]})
    page = there.page
    there.read(NOTE)
    page.get_by_role("radio", name="3", exact=True).check()
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_role("alert")).to_contain_text("role 'feedback'")

    page.get_by_label("API key").fill(keyed.secrets["feedback"])
    page.get_by_role("button", name="Use this key").click()

    sent(page)
    assert keyed.feedback()[-1]["rating"] == 3
    assert kept(page) == [0, 0, "", 0, 0, 0]


# --- what stays in the page ------------------------------------------------------------------------
def test_a_note_leaves_the_page_only_where_it_must(site: Site, visit: Opened) -> None:
    there = visit(site)
    page = there.page
    there.read(f"{MARK} has asthma. {NOTE}")
    there.press("ArrowRight", "t", "n", "d")
    page.get_by_role("radio", name="1 useless").check()
    page.get_by_role("button", name="Send feedback").click()
    sent(page)

    assert MARK in page.locator("#note").inner_text()
    assert kept(page) == [0, 0, "", 0, 0, 0]
    assert there.context.cookies() == []
    assert MARK not in page.url + page.title() + "".join(there.console)
    assert page.evaluate("history.state") is None
    assert {request.url for request in there.requests if MARK in request.url} == set()
    assert {request.url for request in there.requests if MARK in (request.post_data or "")} == {f"{site.url}/extract"}


def test_the_page_asks_nobody_but_its_own_service(site: Site, visit: Opened) -> None:
    there = visit(site)
    there.read(NOTE)

    asked = there.page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")

    assert asked != []
    assert {url for url in [*asked, *(r.url for r in there.requests)] if not url.startswith(f"{site.url}/")} == set()


def test_html_in_a_note_is_text(site: Site, visit: Opened) -> None:
    there = visit(site)

    there.read("<img src=x onerror=alert(1)> <b>gout</b> &amp; <script>alert(1)</script>")

    assert there.page.locator("#note img, #note b, #note script").count() == 0
    assert "<b>gout" in there.page.locator("#note").inner_text()


@pytest.mark.parametrize(
    "attempt",
    [
        "document.createElement('p').innerHTML = '<b>'",
        "document.body.setAttribute('onclick', 'window.in = 1'); document.body.click()",
        "document.head.append(Object.assign(document.createElement('script'), { text: 'window.in = 1' }))",
        "document.head.append(Object.assign(document.createElement('style'), { textContent: 'main { color: red }' }))",
    ],
    ids=["HTML from text", "a handler in an attribute", "a script in the page", "a style in the page"],
)
def test_the_policy_keeps_out_what_is_not_in_the_pages_own_files(site: Site, visit: Opened, attempt: str) -> None:
    page = visit(site).page

    refused = page.evaluate(
        """() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", () => done(true), { once: true });
            setTimeout(() => done(false), 3000);
            try { ATTEMPT; } catch (error) { done(error.name === "TypeError"); }
        })""".replace("ATTEMPT", attempt)
    )

    assert refused is True
    assert page.evaluate("window.in") is None


def test_the_page_speaks_of_the_labels_and_assertions_that_there_are(site: Site, visit: Opened) -> None:
    page = visit(site).page

    names = page.evaluate("import('/page/names.js').then(({ LABELS, ASSERTIONS }) => [LABELS, ASSERTIONS])")

    assert names == [list(LABELS), list(ASSERTIONS)]


def test_no_file_of_the_page_names_another_place() -> None:
    folder = Path(__file__).parents[2] / "src/clinical_ner/serving/page"
    allowed = "http://www.w3.org/2000/svg"

    named = {path.name for path in folder.iterdir() if "://" in path.read_text("utf-8").replace(allowed, "")}

    assert named == set()


# --- long notes ------------------------------------------------------------------------------------
@pytest.mark.parametrize("separator", ["\n", ""], ids=["lines", "one line"])
def test_a_key_draws_little_of_a_note_of_100_000_characters_anew(site: Site, visit: Opened, separator: str) -> None:
    there = visit(site)
    page = there.page
    sentence = LONG_SENTENCE + separator
    text = (sentence * (100_000 // len(sentence) + 1))[:100_000]
    there.read(text)
    assert page.locator("#note .entity").count() > 3_000
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#page")).to_contain_text("Page 2 of")
    page.locator("#note").focus()

    page.evaluate(
        "window.touched = 0; new MutationObserver((seen) => { for (const { addedNodes, removedNodes } of seen)"
        " touched += addedNodes.length + removedNodes.length; }).observe(document, { childList: true, subtree: true })"
    )
    for key in ("Home", "ArrowRight", "ArrowRight", "t", "2", "Shift+ArrowRight", "Delete", "ControlOrMeta+z"):
        there.press(key)

        assert page.evaluate("touched") < 500, key
        page.evaluate("touched = 0")
    assert page.locator("*").count() > 5_000


# --- what tests above share ------------------------------------------------------------------------
def kept(page: Page) -> list[Any]:
    """How much is in the browser's storages: local, of the session, cookies, databases, caches, service workers."""
    stores: list[Any] = page.evaluate(
        """async () => [
            localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length,
            (await caches.keys()).length, (await navigator.serviceWorker.getRegistrations()).length,
        ]"""
    )
    return stores


def behind_marks(page: Page) -> list[str]:
    """What the style sheet writes behind each entity of the note."""
    written: list[str] = page.locator("#note .entity").evaluate_all(
        "marks => marks.map((mark) => getComputedStyle(mark, '::after').content)"
    )
    return written


def lose_the_answer(route: Route) -> None:
    route.fetch()
    route.abort()


def downloaded(page: Page, name: str) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value.path()


def box_of(page: Page, words: str) -> dict[str, float]:
    """Where these words are on the screen."""
    box: dict[str, float] = page.evaluate(
        """words => {
            const texts = document.createTreeWalker(document.getElementById("note"), NodeFilter.SHOW_TEXT);
            while (!texts.nextNode()?.data.includes(words));
            const range = document.createRange();
            const start = texts.currentNode.data.indexOf(words);
            range.setStart(texts.currentNode, start);
            range.setEnd(texts.currentNode, start + words.length);
            const { left, right, top, bottom } = range.getBoundingClientRect();
            return { left, right, middle: (top + bottom) / 2 };
        }""",
        words,
    )
    return box


def drag_over(page: Page, words: str) -> None:
    """Select the words by mouse; their first and last word may lie in different marks."""
    first, last = box_of(page, words.split()[0]), box_of(page, words.split()[-1])
    page.mouse.move(first["left"] + 1, first["middle"])
    page.mouse.down()
    page.mouse.move(last["right"] - 1, last["middle"], steps=8)
    page.mouse.up()
    page.get_by_role("toolbar").wait_for()

"""Texts written in other ways keep their gold spans on the same words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, LABELS, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.robustness import Edit, edited, perturbations, perturbed, robustness
from clinical_ner.ner.tokenize import tokens

WAYS = perturbations(seed=1, typo_rate=0.5)
TEXT = "Crohn's disease (flare), non-Hodgkin lymphoma;\nflu b.i.d. 2.5mg"
GOLD = (Span(0, 15, DISEASE), Span(17, 22, DISEASE), Span(25, 45, DISEASE))
PIECES = ("Gout", "ß", "(", ")", "-", ".", "fi", " ", "\n", "asthma", "2.5", "b.i.d.", "ﬁ", "'s")
SLIPS = {"typos", "accents"}  # they change letters
EXPECTED = {
    "as_written": TEXT,
    "lower_case": "crohn's disease (flare), non-hodgkin lymphoma;\nflu b.i.d. 2.5mg",
    "upper_case": "CROHN'S DISEASE (FLARE), NON-HODGKIN LYMPHOMA;\nFLU B.I.D. 2.5MG",
    "title_case": "Crohn'S Disease (Flare), Non-Hodgkin Lymphoma;\nFlu B.I.D. 2.5Mg",
    "typography": "Crohn’s disease (ﬂare), non–Hodgkin lymphoma;\nﬂu b.i.d. 2.5mg",
    "no_punctuation": "Crohn's disease flare non-Hodgkin lymphoma\nflu bid 2.5mg",
    "spaced_punctuation": "Crohn 's disease ( flare ) , non - Hodgkin lymphoma ;\nflu b.i.d. 2.5 mg",
    "wrapped_lines": TEXT,
}


def surfaces(text: str, spans: Sequence[Span]) -> list[str]:
    return [text[span.start : span.end] for span in spans]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_text_is_written_in_another_way_with_the_spans_on_the_same_words(name: str) -> None:
    alone = [WAYS[name](surface, ())[0] for surface in surfaces(TEXT, GOLD)]

    text, spans = WAYS[name](TEXT, GOLD)

    assert text == EXPECTED[name]
    assert surfaces(text, spans) == alone


@given(st.lists(st.sampled_from(PIECES)), st.data())
def test_every_span_still_covers_its_words(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    words = tokens(text)
    chosen = data.draw(st.lists(st.sampled_from(range(len(words))), unique=True)) if words else []
    spans = tuple(Span(words[i].start, words[i].end, DISEASE) for i in sorted(chosen))

    for name, way in WAYS.items():
        changed, moved = way(text, spans)

        assert all(0 <= span.start < span.end <= len(changed) for span in moved)
        assert name == "no_punctuation" or len(moved) == len(spans)
        if name not in SLIPS:
            assert bare_surfaces(changed, moved) == bare_surfaces(text, spans)


def bare_surfaces(text: str, spans: Sequence[Span]) -> list[str]:
    """Those of the spans that are more than signs."""
    return [*filter(None, map(bare, surfaces(text, spans)))]


def bare(surface: str) -> str:
    """The letters and digits, whatever their case and form."""
    plain = surface.replace("ﬁ", "fi").replace("ﬂ", "fl").casefold()
    return "".join(c for c in plain if c.isalnum())


@given(st.text("abc ", max_size=30), st.data())
def test_an_edit_moves_each_end_of_a_span_by_what_changed_before_it(text: str, data: st.DataObject) -> None:
    places = st.integers(0, len(text))
    ends = st.tuples(places, places).map(sorted)
    spans = tuple(Span(*pair, DISEASE) for pair in data.draw(st.lists(ends, max_size=3)) if pair[0] < pair[1])
    cuts = sorted(data.draw(st.lists(places, max_size=6)))
    edits = [Edit(start, end, "XY") for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    apart = [edit for i, edit in enumerate(edits) if not i or edits[i - 1].end < edit.start]

    changed, moved = edited(text, spans, apart)

    assert len(moved) == len(spans)
    kept = {place for place in range(len(text)) if not any(covers(edit, place, spans) for edit in apart)}
    assert [surface.replace("XY", "") for surface in surfaces(changed, moved)] == [
        "".join(text[place] for place in range(span.start, span.end) if place in kept) for span in spans
    ]


def covers(edit: Edit, place: int, spans: Sequence[Span]) -> bool:
    """Whether an edit that is made covers the place."""
    cuts = {cut for span in spans for cut in span[:2]}
    return edit.start <= place < edit.end and not any(edit.start < cut < edit.end for cut in cuts)


def test_what_is_inserted_at_the_end_of_a_span_stays_outside() -> None:
    assert edited("(gout)", (Span(1, 5, DISEASE),), [Edit(1, 1, "<"), Edit(5, 5, ">")]) == (
        "(<gout>)",
        (Span(2, 6, DISEASE),),
    )


def test_a_span_of_which_nothing_remains_is_left_out() -> None:
    assert WAYS["no_punctuation"]("gout ;", (Span(5, 6, DISEASE),)) == ("gout ", ())


def test_long_lines_are_wrapped_and_short_ones_are_not() -> None:
    text, spans = WAYS["wrapped_lines"]("word " * 40 + "asthma", (Span(200, 206, DISEASE),))

    assert max(map(len, text.split("\n"))) <= 72
    assert min(map(len, text.split("\n")[:-1])) > 60
    assert surfaces(text, spans) == ["asthma"]


def test_only_a_share_of_the_longer_words_is_misspelt_and_each_time_the_same() -> None:
    text = " ".join(["pneumonia", "gout"] * 500)

    once, again = (WAYS["typos"](text, ())[0] for _ in range(2))
    changed = [(a, b) for a, b in zip(text.split(), once.split(), strict=True) if a != b]

    assert once == again != perturbations(seed=2, typo_rate=0.5)["typos"](text, ())[0]
    assert {a for a, _ in changed} == {"pneumonia"}
    assert 200 < len(changed) < 300
    assert all(b[0] == "p" and abs(len(b) - 9) < 2 for _, b in changed)
    assert len({b for _, b in changed}) > 10


def test_without_a_rate_nothing_is_misspelt() -> None:
    assert perturbations(seed=1, typo_rate=0)["typos"](TEXT, GOLD) == (TEXT, GOLD)


def test_a_perturbed_document_has_sorted_spans_and_no_tokens_of_its_own() -> None:
    document = Document("d", "flu", (Span(0, 3, DISEASE),), ((0, 3),))

    assert perturbed(document, WAYS["typography"]) == Document("d", "ﬂu", (Span(0, 2, DISEASE),), None)


def test_each_way_is_scored_as_the_reader_reads_it() -> None:
    def read(text: str) -> list[Span]:
        return [Span(0, 4, DISEASE)] if text.startswith("Gout") else []

    found = robustness(read, [Document("d", "Gout.", (Span(0, 4, DISEASE),), None)], LABELS, WAYS)

    assert list(found) == list(WAYS)
    assert {name: scored["f1"] for name, scored in found.items() if scored["f1"] < 1} == {
        "lower_case": 0.0,
        "upper_case": 0.0,
    }

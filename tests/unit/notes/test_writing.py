"""A page keeps account of what is written on it."""

from __future__ import annotations

from clinical_ner.core.span import DISEASE, TREATMENT
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.writing import Page, Stretch


def page_with_sections(draws: Draws) -> Page:
    """PMH: gout / Plan: [rest for gout]."""
    page = Page(draws)
    page.heading("PMH: ", "past_medical_history")
    page.mention("gout", DISEASE, "D1", "present", "")
    page.close(5, "pmh/0")
    page.close_block(0, "pmh")
    page.write("\n")
    start = page.length
    page.heading("Plan: ", "plan")
    page.mention("rest", TREATMENT, "OWN:rest", "present", "1")
    page.literal(" for ")
    page.mention("gout", DISEASE, "D1", "present", "1")
    page.close(start + 6, "plan/0")
    page.close_block(start, "plan")
    return page


def test_a_sentence_relates_every_treatment_to_every_disease_of_its_link(draws: Draws) -> None:
    page = Page(draws)
    for words, label, link in (("a", TREATMENT, "1"), ("b", DISEASE, "1"), ("c", TREATMENT, "1"), ("d", DISEASE, "2")):
        page.mention(words, label, "D1", "present", link)
    page.mention("e", TREATMENT, "D1", "present", "")
    page.close(0, "x/0")
    page.mention("f", TREATMENT, "D1", "present", "2")
    page.close(5, "x/1")

    assert page.relations == [(0, 1), (2, 1)]
    assert page.segments == [Stretch(0, 5, "x/0"), Stretch(5, 6, "x/1")]


def test_what_is_denied_has_no_treatment(draws: Draws) -> None:
    page = Page(draws)
    page.mention("a", TREATMENT, "T1", "present", "a")
    page.mention("b", DISEASE, "D1", "absent", "a")
    page.close(0, "x/0")

    assert page.relations == []


def test_what_two_links_join_is_related_once(draws: Draws) -> None:
    page = Page(draws)
    for words, label, links in (("a", TREATMENT, "1a"), ("b", DISEASE, "1a"), ("c", DISEASE, "a")):
        page.mention(words, label, "D1", "present", links)
    page.close(0, "x/0")

    assert page.relations == [(0, 1), (0, 2)]


def test_a_treatment_of_the_record_is_related_to_where_its_disease_is_nearest(draws: Draws) -> None:
    page = Page(draws)
    page.mention("a", DISEASE, "D1", "present", "")
    page.mention("b", DISEASE, "D1", "absent", "")
    page.mention("c", TREATMENT, "T1", "present", "", {"D1"})
    page.mention("d", DISEASE, "D2", "present", "")
    page.mention("e", TREATMENT, "T2", "present", "1", {"D2"})
    page.mention("f", DISEASE, "D2", "historical", "1")
    page.mention("g", TREATMENT, "T3", "present", "", {"D3", "D4"})
    page.close(0, "x/0")

    page.relate_to_record()

    assert page.relations == [(4, 5), (2, 0)]  # e is told, and of what g is for nothing is written


def test_a_copied_treatment_is_related_to_the_disease_of_its_new_text(draws: Draws) -> None:
    source, page = Page(draws), Page(draws)
    source.mention("gout", DISEASE, "D1", "present", "")
    source.close_block(0, "assessment")
    source.mention("rest", TREATMENT, "OWN:rest", "present", "", {"D1"})
    source.close_block(4, "plan")
    source.relate_to_record()
    page.write("Again. ")

    page.copy(source, source.blocks[1])
    before = list(page.relations)
    page.mention("gout", DISEASE, "D1", "present", "")
    page.relate_to_record()

    assert (before, page.relations) == ([], [(7, 11)])


def test_a_mention_stands_in_the_section_of_the_heading_above_it(draws: Draws) -> None:
    page = Page(draws)
    page.mention("before", DISEASE, "D1", "present", "")
    for heading, section in (("PMH:", "past_medical_history"), ("Notes:", None)):
        page.heading(heading, section)
        page.mention("under", DISEASE, "D1", "present", "")

    assert [mention.section for mention in page.mentions] == [None, "past_medical_history", None]
    assert page.sections() == [Stretch(6, 15, "past_medical_history")]


def test_a_section_reaches_to_the_next_heading_or_the_end(draws: Draws) -> None:
    page = page_with_sections(draws)

    assert [page.text[s.start : s.end] for s in page.sections()] == ["PMH: gout\n", "Plan: rest for gout"]
    assert [s.name for s in page.sections()] == ["past_medical_history", "plan"]
    assert Page(draws).sections() == []


def test_a_copied_block_brings_its_spans_segments_sections_and_relations(draws: Draws) -> None:
    source, page = page_with_sections(draws), Page(draws)
    page.write("Seen today.\n")

    page.copy(source, source.blocks[1])

    assert page.text == "Seen today.\nPlan: rest for gout"
    assert [page.text[m.start : m.end] for m in page.mentions] == ["rest", "gout"]
    assert {m.section for m in page.mentions} == {"plan"}
    assert [page.text[s.start : s.end] for s in page.segments] == ["rest for gout"]
    assert page.relations == [(18, 27)]
    assert page.sections() == [Stretch(12, 31, "plan")]
    assert page.blocks == [Stretch(12, 31, "plan")]


def test_a_misspelt_entity_keeps_its_span_and_its_concept() -> None:
    page = Page(Draws(1, "x"), 0, 1)

    page.literal("has ")
    page.mention("diabetes mellitus", DISEASE, "D1", "present", "")

    (mention,) = page.mentions
    assert page.text[mention.start : mention.end] == page.text[4:] != "diabetes mellitus"
    assert mention.concept_id == "D1"

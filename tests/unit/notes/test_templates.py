"""The resources parse, and every slot in them can be filled."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from clinical_ner.core.schema import NOTE_KINDS
from clinical_ner.core.seeds import stream
from clinical_ner.core.span import ASSERTIONS
from clinical_ner.notes.compose import ABOUT_PATIENTS, ADULT_SLOTS, LITERATURE, NUMBERS, Filling
from clinical_ner.notes.subjects import Problem, Subject
from clinical_ner.notes.templates import (
    DISEASE_SLOTS,
    ECHO,
    TREATMENT_SLOTS,
    Slot,
    Template,
    fillers,
    layout,
    parse,
    templates,
    unfit,
)

STYLES = ("clinical", *LITERATURE)
ALL = [(style, template) for style in STYLES for section in templates(style).values() for template in section]
DETAILS = ("patient_name", "birth_date", "note_date", "provider", "smoking", "weight", "bmi")
COMPUTED = {"age", "sex", "he", "his", "onset_year", "year", "lab", "marker"}
ENTITIES = DISEASE_SLOTS | TREATMENT_SLOTS
KNOWN = {*ENTITIES, ECHO, *NUMBERS, *fillers(), *DETAILS, *COMPUTED}
SUBJECT = Subject(
    "female",
    50,
    2024,
    (Problem("D006973", "hypertension", 2011, ("lisinopril",)), Problem("D003924", "T2DM", 2015, ("metformin",))),
    details=tuple((name, name) for name in DETAILS),
)


def offenders(is_wrong: Any) -> list[tuple[str, str]]:
    return [(style, template.template_id) for style, template in ALL if is_wrong(template)]


def test_every_slot_has_a_known_name() -> None:
    assert {slot.name for _, template in ALL for slot in template.slots} - KNOWN == set()


@pytest.mark.parametrize(("style", "template"), ALL, ids=lambda value: getattr(value, "template_id", value))
def test_every_slot_of_a_template_is_filled(study: Any, style: str, template: Template) -> None:
    filling = Filling(SUBJECT, study.lexis, stream(1, template.template_id))

    for slot in template.slots:
        blank = filling.fill(slot)
        assert blank.text.strip(), style
        assert bool(blank.label) == (slot.name in ENTITIES | {ECHO})


def test_a_misspelt_slot_cannot_be_filled(study: Any) -> None:
    (slot,) = parse("plan", "{symptm}").slots

    with pytest.raises(KeyError, match="symptm"):
        Filling(SUBJECT, study.lexis, stream(1, "x")).fill(slot)


def test_no_slot_is_malformed() -> None:
    assert offenders(lambda t: any(set("{}#") & set(piece) for piece in t.pieces if isinstance(piece, str))) == []


def test_every_assertion_is_known() -> None:
    assert {slot.assertion for _, template in ALL for slot in template.slots} <= set(ASSERTIONS)


def test_only_entities_are_asserted_or_linked() -> None:
    plain = ("present", "")

    assert offenders(lambda t: any((s.assertion, s.link) != plain for s in t.slots if s.name not in ENTITIES)) == []


def test_a_link_joins_a_treatment_and_a_disease() -> None:
    def is_loose(template: Template) -> bool:
        names = {link: {s.name for s in template.slots if s.link == link} for link in "123456789"}
        return any(found and not (found & DISEASE_SLOTS and found & TREATMENT_SLOTS) for found in names.values())

    assert offenders(is_loose) == []


def test_an_abbreviation_follows_an_entity() -> None:
    def stands_alone(template: Template) -> bool:
        names = ["", *(slot.name for slot in template.slots)]
        return any(name == ECHO and before not in ENTITIES for before, name in pairwise(names))

    assert offenders(stands_alone) == []


def test_a_year_of_onset_follows_its_problem() -> None:
    def is_too_early(template: Template) -> bool:
        names = [slot.name for slot in template.slots]
        return "onset_year" in names and "problem" not in names[: names.index("onset_year")]

    assert offenders(is_too_early) == []


def test_only_notes_about_patients_ask_for_the_record() -> None:
    asked = {slot.name for style, template in ALL if style in LITERATURE for slot in template.slots}

    assert asked & {*DETAILS, "problem", "regimen", "onset_year"} == set()


def test_what_is_denied_in_a_patients_note_is_not_asked_of_the_record() -> None:
    assert (
        offenders(lambda t: any(s.name in ("problem", "regimen") and s.assertion != "present" for s in t.slots)) == []
    )


def test_template_ids_are_unique() -> None:
    counts = Counter(template.template_id for _, template in ALL)

    assert [template_id for template_id, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("kind", NOTE_KINDS)
def test_every_section_of_a_layout_has_templates_enough(kind: str) -> None:
    sections = templates(kind if kind in LITERATURE else "clinical")

    for section, low, high in layout(kind):
        assert 0 <= low <= high <= len(sections[section])
        assert high >= 1


@pytest.mark.parametrize("kind", ABOUT_PATIENTS)
def test_a_childs_note_without_a_problem_has_templates_enough(kind: str) -> None:
    wanting = {"problem", "regimen", *ADULT_SLOTS}

    for section, low, _ in layout(kind):
        fit = [t for t in templates("clinical")[section] if not wanting & {slot.name for slot in t.slots}]
        assert len(fit) >= low, section


@pytest.mark.parametrize("style", STYLES)
def test_every_section_is_in_some_layout(style: str) -> None:
    kinds = ABOUT_PATIENTS if style == "clinical" else (style,)

    assert {section for kind in kinds for section, _, _ in layout(kind)} == set(templates(style))


def test_every_kind_of_note_has_a_layout_and_is_written() -> None:
    assert {*ABOUT_PATIENTS, *LITERATURE} == set(NOTE_KINDS)


def test_every_filler_is_asked_for_and_no_choice_is_twice() -> None:
    asked = {slot.name for _, template in ALL for slot in template.slots}

    assert set(fillers()) - asked == {"unit", "unfit_male", "unfit_female", "unfit_child"}
    assert [name for name, choices in fillers().items() if len(set(choices)) < len(choices)] == []


def test_a_template_is_parsed_into_literals_and_slots_in_order() -> None:
    template = parse("plan", "{Disease:absent#2}, {drug_class} and\n{abbr}")

    assert template.pieces == (
        Slot("disease", True, "absent", "2"),
        ", ",
        Slot("drug_class", False, "present", ""),
        " and\n",
        Slot("abbr", False, "present", ""),
    )
    assert [slot.name for slot in template.slots] == ["disease", "drug_class", "abbr"]


def test_the_id_of_a_template_changes_with_its_wording_and_section() -> None:
    ids = {parse(*words).template_id for words in (("plan", "Rest."), ("plan", "Rest!"), ("exam", "Rest."))}

    assert len(ids) == 3
    assert parse("plan", "Rest.").template_id == "plan/a7589399"


@pytest.mark.parametrize(
    ("sex", "child", "words", "found"),
    [
        ("male", False, "Uterine fibroids", True),
        ("male", False, "computed tomography", False),
        ("male", False, "prostate", False),
        ("female", False, "prostatectomy", True),
        ("female", False, "ovary", False),
        ("female", False, "daughter", False),
        ("female", True, "daughter", True),
    ],
)
def test_words_unfit_for_a_person_are_found_by_their_beginning(sex: str, child: bool, words: str, found: bool) -> None:
    assert bool(unfit(sex, child=child).search(words)) is found

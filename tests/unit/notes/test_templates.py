"""The resources parse, and every slot in them can be filled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import NOTE_KINDS
from clinical_ner.core.span import SECTIONS
from clinical_ner.notes.compose import REPEATED, fitting
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.filling import NUMBERS, OWN_WORDS, Filling
from clinical_ner.notes.measurements import Series
from clinical_ner.notes.subjects import Allergy, Case, Given, Relative, Subject, Trend
from clinical_ner.notes.syntax import (
    ECHO,
    ENTITY_SLOTS,
    NONE_OF,
    PAST_SLOTS,
    PERHAPS_DISEASES,
    RECORD_SLOTS,
    RECORD_TREATMENTS,
    REFERS_TO,
    Choice,
    Mention,
    Slot,
    Template,
    parse,
    walk,
)
from clinical_ner.notes.templates import (
    CLINICAL,
    DETAILS,
    authors,
    fillers,
    headings,
    kinds,
    layout,
    literature,
    ranges,
    read_templates,
    short_names,
    templates,
    unfit,
    without_heading,
)

ABOUT_PATIENTS = tuple(kinds())
LITERATURE = tuple(literature())
STYLES = (*CLINICAL, *LITERATURE)
ALL = [(style, template) for style in STYLES for section in templates(style).values() for template in section]
TREND = Trend(("uric acid", "urate"), "9.1", "7.2")
GIVEN = {
    slot: tuple(Given(f"drug {number}", "5 mg", 2011, 2012, "epilepsy", TREND) for number in range(3))
    for slot in RECORD_TREATMENTS
}
SUBJECT = Subject(
    "female",
    50,
    date(2024, 6, 1),
    tuple(
        Case(f"D{number}", f"problem {number}", 2011, end, GIVEN)
        for number, end in enumerate((None, None, None, 2012, 2012))
    ),
    details={name: name for name in (*DETAILS, "pack_years")},
    birth_date=date(1974, 1, 1),
    measured={
        "29463-7": Series([date(2024, 6, 1).toordinal()], [61.0]),
        "39156-5": Series([date(2024, 6, 1).toordinal()], [23.9]),
    },
    allergies=(Allergy("penicillin", True, "epilepsy"),),
    family=(Relative("mother", "D006073", "gout"),),
    pregnant=True,
)


def offenders(is_wrong: Any) -> list[tuple[str, str]]:
    return [(style, template.template_id) for style, template in ALL if is_wrong(template)]


@pytest.mark.parametrize(("style", "template"), ALL, ids=lambda value: getattr(value, "template_id", value))
def test_every_slot_of_a_template_is_filled(study: Any, style: str, template: Template) -> None:
    filling = Filling(SUBJECT, study.lexis, Draws(1, template.template_id))
    filling.begin(template)

    for slot in template.slots:
        if slot.name == ECHO and any(isinstance(piece, Mention) for piece in template.pieces):
            continue  # what is abbreviated may be written out in the template
        blank = filling.fill(slot)
        assert bool(blank.text.strip()) == (slot.name not in NONE_OF), style
        assert bool(blank.label) == (slot.name in ENTITY_SLOTS | {ECHO})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Seen with {symptm}.", "unknown slot 'symptm'; did you mean 'symptom'?"),
        ("No {disease:absnt}.", "unknown assertion 'absnt'; did you mean 'absent'?"),
        ("Has {disease:absent:present}.", "more than one assertion or link"),
        ("Had {symptom:absent}.", "slot 'symptom' is no entity"),
        ("Gave {drug#1}.", "link #1 does not join a treatment and a disease"),
        ("Gave {drug#1} and [T#1 rest].", "link #1 does not join a treatment and a disease"),
        ("Gave {drug#a} and [D#b gout].", "link #a does not join a treatment and a disease"),
        ("Had {symptom#a}.", "slot 'symptom' is no entity"),
        ("[D bad {disease#a}]", "belong to the bracket"),
        ("({abbr}) {disease}", "'abbr' has nothing before it"),
        ("<{disease}|it> ({abbr})", "'abbr' has nothing before it"),
        ("Since {diagnosed_year} {problem}.", "'diagnosed_year' has nothing before it"),
        ("{problem}{its_dose}", "'its_dose' has nothing before it"),
        ("Has [D gout.", "']' is missing"),
        ("Has [D gout ].", "ends with a space"),
        ("Has [D ].", "nothing to read at '[D ].'"),
        ("Has [X gout].", "nothing to read at '[X gout].'"),
        ("Has {disease.", "nothing to read at '{disease.'"),
        ("Has <gout>.", "nothing to read at '<gout>.'"),
        ("Has a|b.", "nothing to read at '|b.'"),
        ("pre{disease}", "a letter touches an entity: 'pre'"),
        ("two <of [D gout]s|>", "a letter touches an entity: 's'"),
        ("[D gout [T rest]]", "a mention inside a mention"),
        ("[D bad {disease:absent}]", "belong to the bracket"),
        ("A\nA", "the same sentence stands above"),
    ],
)
def test_a_malformed_template_is_refused_by_file_section_and_line(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("first:\n  - Fine.\nplan:\n  - Fine.\n" + "".join(f'  - "{one}"\n' for one in line.split("\n")))

    with pytest.raises(UserError) as caught:
        read_templates(path)

    number = 5 + line.count("\n")
    assert str(caught.value).startswith(f"odd.yaml, section 'plan', line {number}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("sign", ["p < 0.05", "a CRP <5 or >90 mg/L", "tooth #14", "P>0.1"])
def test_signs_of_comparison_are_plain_text(sign: str) -> None:
    assert parse("x", sign).pieces == (sign,)


def test_mentions_and_alternatives_are_parsed_with_what_is_inside() -> None:
    template = parse("x", "<|severe >[D:absent#2 old {disease}], {abbr}<, [T#2 iron]|>")

    assert template.pieces == (
        Choice(((), ("severe ",))),
        Mention("DISEASE", "absent", "2", ("old ", Slot("disease", False, "present", ""))),
        ", ",
        Slot("abbr", False, "present", ""),
        Choice(((", ", Mention("TREATMENT", "present", "2", ("iron",))), ())),
    )
    assert [slot.name for slot in template.slots] == ["disease", "abbr"]
    assert template.literals == ["severe ", "old ", ", ", ", ", "iron"]


def test_assertion_and_link_stand_in_either_order() -> None:
    assert (
        parse("x", "{drug#1:absent} [D#1:family gout]").pieces == parse("x", "{drug:absent#1} [D:family#1 gout]").pieces
    )


def test_letters_link_what_may_have_other_links_and_change_no_id() -> None:
    bare, linked = (
        "{drug#1} for {disease#1}, [T:absent iron] no",
        "{drug#1#a} for {disease#1#a#b}, [T:absent#b iron] no",
    )

    template = parse("x", linked)

    assert template.template_id == parse("x", bare).template_id
    assert [(piece.link, piece.pairs) for piece in walk(template.pieces) if isinstance(piece, Slot | Mention)] == [
        ("1", "a"),
        ("1", "ab"),
        ("", "b"),
    ]
    assert parse("x", "{drug#1}, C#a [D gout]").template_id != parse("x", "{drug#1}, C [D gout]").template_id
    assert parse("x", "{drug#1} {disease#1}").template_id != parse("x", "{drug#2} {disease#2}").template_id


def test_what_the_record_has_had_is_historical_unless_said_otherwise() -> None:
    assert [slot.assertion for slot in parse("x", "{past_problem} {past_procedure:absent}").slots] == [
        "historical",
        "absent",
    ]


def test_a_template_whose_own_words_do_not_fit_is_not_for_that_person(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [parse("x", words) for words in ("The uterus was normal.", "[T Prostatectomy] was done.", "His wife called.")]
    monkeypatch.setattr("clinical_ner.notes.compose.templates", lambda _: {"x": (*own, parse("x", "Rest."))})
    fitting.cache_clear()

    counts = {
        (sex, child): len(fitting("case_report", "x", sex, child, True))
        for sex in ("male", "female")
        for child in (False, True)
    }
    fitting.cache_clear()

    assert counts == {("male", False): 3, ("male", True): 2, ("female", False): 3, ("female", True): 2}


def test_a_sentence_of_a_study_fits_whoever_it_does_not_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [parse("x", words) for words in ("Uterine tumours are common.", "The {sex} had a normal uterus.")]
    monkeypatch.setattr("clinical_ner.notes.compose.templates", lambda _: {"x": tuple(own)})
    fitting.cache_clear()

    found = [fitting("genetics", "x", sex, False, True) for sex in ("male", "female")]
    fitting.cache_clear()

    assert found == [(own[0],), tuple(own)]


def test_only_notes_about_patients_ask_for_the_record() -> None:
    asked = {slot.name for style, template in ALL if style in LITERATURE for slot in template.slots}

    assert asked & {*DETAILS, *RECORD_SLOTS, *NONE_OF, *REFERS_TO} == {ECHO}


def test_what_is_said_of_a_pregnancy_is_for_who_is_pregnant_and_known_to_be() -> None:
    said = {
        subject.pregnant: [
            t.template_id
            for style, t in ALL
            if style in CLINICAL and "weeks" in t.names and all(map(subject.knows, t.needs))
        ]
        for subject in (SUBJECT, replace(SUBJECT, pregnant=False, details={}))
    }

    assert len(said[True]) >= 4
    assert said[False] == []


def test_what_the_record_has_is_neither_denied_nor_suspected() -> None:
    def is_wrong(template: Template) -> bool:
        expected = {name: "historical" if name in PAST_SLOTS else "present" for name in RECORD_SLOTS}
        return any(slot.assertion != expected.get(slot.name, slot.assertion) for slot in template.slots)

    assert offenders(is_wrong) == []


def of_patients(is_wrong: Any) -> list[str]:
    return [template.template_id for style, template in ALL if style in CLINICAL and is_wrong(template)]


def test_a_note_about_a_patient_gives_no_disease_or_drug_that_the_record_does_not_have() -> None:
    def is_invented(slot: Slot) -> bool:
        free = {"hypothetical", "absent", "family", "uncertain"} | ({"historical"} if slot.name == "drug" else set())
        return slot.name in ENTITY_SLOTS - RECORD_SLOTS - PERHAPS_DISEASES and slot.assertion not in free

    assert of_patients(lambda t: any(is_invented(slot) for slot in t.slots)) == []


def test_a_disease_written_out_in_a_note_about_a_patient_is_nobodys_yet() -> None:
    def is_claimed(template: Template) -> bool:
        found = [piece for piece in walk(template.pieces) if isinstance(piece, Mention) and piece.label == "DISEASE"]
        return any(mention.assertion in ("present", "historical") for mention in found)

    assert of_patients(is_claimed) == []


def test_notes_about_patients_have_hundreds_of_templates() -> None:
    counts = {style: sum(len(section) for section in templates(style).values()) for style in CLINICAL}

    assert counts["prose"] > 350
    assert counts["shorthand"] > 200


def test_template_ids_are_unique() -> None:
    counts = Counter(template.template_id for _, template in ALL)

    assert [template_id for template_id, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("kind", NOTE_KINDS)
def test_every_section_of_a_layout_has_templates_enough(kind: str) -> None:
    sections = templates(kind if kind in LITERATURE else CLINICAL[0])

    for part in layout(kind):
        assert 0 <= part.low <= part.high <= len(sections[part.section])
        assert part.high >= 1
        assert not part.items or (0 < part.low_items <= part.high_items and sections[part.items])


@pytest.mark.parametrize("kind", ABOUT_PATIENTS)
def test_a_childs_note_without_a_problem_has_templates_enough(kind: str) -> None:
    for part in layout(kind):
        pool = fitting(CLINICAL[0], part.section, "male", True, False)
        assert len([t for t in pool if not t.counts]) >= part.low, part.section


def test_every_section_is_in_some_layout() -> None:
    for style in STYLES:
        asked = ABOUT_PATIENTS if style in CLINICAL else (style,)
        parts = {name for kind in asked for part in layout(kind) for name in (part.section, part.items)} - {""}
        assert set(templates(style)) <= parts
        assert style == CLINICAL[1] or set(templates(style)) == parts


def test_every_kind_of_note_has_a_layout_and_is_written() -> None:
    assert sorted((*ABOUT_PATIENTS, *LITERATURE)) == sorted(NOTE_KINDS)


def test_headings_open_known_sections_of_some_layout() -> None:
    parts = {part.section for kind in NOTE_KINDS for part in layout(kind)}

    assert {heading.section for heading in headings().values()} <= set(SECTIONS)
    assert set(headings()) - parts == {"findings"}
    assert set(REPEATED) <= parts


def test_one_author_at_least_repeats_earlier_notes_and_all_shares_are_shares() -> None:
    for author in authors().values():
        assert all(0 <= share <= 1 for share in author[1:10])
    assert [name for name, author in authors().items() if author.repeats] == ["copy_forward"]


def test_every_filler_is_asked_for_and_no_choice_is_twice() -> None:
    asked = {slot.name for _, template in ALL for slot in template.slots}
    ours = {"unit", "unfit_male", "unfit_female", "unfit_not_pregnant", "unfit_child", "unfit_adult", "fit_anyway"}

    assert set(fillers()) - asked == ours
    assert set(ranges()) - asked == set()
    assert [name for name, choices in fillers().items() if len(set(choices)) < len(choices)] == []


def test_slots_have_one_meaning() -> None:
    names = [*fillers(), *ranges(), *NUMBERS, *OWN_WORDS, *ENTITY_SLOTS, *DETAILS]

    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_short_names_are_none_of_the_names_themselves() -> None:
    assert not {form.lower() for forms in short_names().values() for form in forms} & set(short_names())


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("METHODS: {n} patients", (" patients",)),
        ("Conclusion: rest.", ("rest.",)),
        ("MRI: normal.", ("MRI: normal.",)),
        ("CASE REPORT: A man.", ("A man.",)),
    ],
)
def test_a_heading_of_a_sentence_of_literature_is_left_to_the_layout(line: str, rest: tuple[str, ...]) -> None:
    assert tuple(p for p in without_heading(parse("x", line).pieces) if isinstance(p, str)) == rest


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


def test_a_template_says_what_it_asks_of_the_record() -> None:
    template = parse(
        "x", "{problem#1} {regimen#1} {regimen#1} {problem#2} {medication#2} {past_problem} {drug} {no_problem}"
    )

    assert template.counts == (("medication", 1), ("past_problem", 1), ("problem", 2), ("regimen", 2))
    assert template.demands == (("problem", (("regimen", 2),), 1), ("problem", (("medication", 1),), 1))
    assert template.none_of == ("problem", "past_problem")
    assert parse("x", "{regimen} {problem}").demands == ()


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
        ("male", True, "joint pain", True),
        ("male", True, "kidney stones", True),
        ("male", False, "kidney stones", False),
    ],
)
def test_words_unfit_for_a_person_are_found_by_their_beginning(sex: str, child: bool, words: str, found: bool) -> None:
    assert bool(unfit(sex, child=child, expecting=True).search(words)) is found

"""The resources parse, and every slot in them can be filled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import NOTE_KINDS
from clinical_ner.core.seeds import stream
from clinical_ner.notes import templates as resources
from clinical_ner.notes.compose import ABOUT_PATIENTS, ADULT_SLOTS, LITERATURE, Filling, fitting
from clinical_ner.notes.subjects import Problem, Subject
from clinical_ner.notes.syntax import (
    DISEASE_SLOTS,
    ECHO,
    RECORD_DISEASES,
    RECORD_TREATMENTS,
    REFERS_TO,
    TREATMENT_SLOTS,
    Choice,
    Mention,
    Slot,
    Template,
    parse,
)
from clinical_ner.notes.templates import fillers, layout, read_templates, templates, unfit

STYLES = ("clinical", *LITERATURE)
ALL = [(style, template) for style in STYLES for section in templates(style).values() for template in section]
DETAILS = ("patient_name", "birth_date", "note_date", "provider", "smoking", "weight", "bmi")
ENTITIES = DISEASE_SLOTS | TREATMENT_SLOTS
SUBJECT = Subject(
    "female",
    50,
    2024,
    (Problem("D006973", "hypertension", 2011, ("lisinopril",)), Problem("D003924", "T2DM", 2015, ("metformin",))),
    details=tuple((name, name) for name in DETAILS),
)


def offenders(is_wrong: Any) -> list[tuple[str, str]]:
    return [(style, template.template_id) for style, template in ALL if is_wrong(template)]


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


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Seen with {symptm}.", "unknown slot 'symptm'; did you mean 'symptom'?"),
        ("No {disease:absnt}.", "unknown assertion 'absnt'; did you mean 'absent'?"),
        ("Has {disease:absent:present}.", "more than one assertion or link"),
        ("Had {symptom:absent}.", "slot 'symptom' is no entity"),
        ("Gave {drug#1}.", "link #1 does not join a treatment and a disease"),
        ("Gave {drug#1} and [T#1 rest].", "link #1 does not join a treatment and a disease"),
        ("({abbr}) {disease}", "'abbr' has nothing before it"),
        ("<{disease}|it> ({abbr})", "'abbr' has nothing before it"),
        ("Since {onset_year} {problem}.", "'onset_year' has nothing before it"),
        ("{past_regimen} {regimen_dose}", "'regimen_dose' has nothing before it"),
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
        (sex, child): len(fitting("case_report", "x", sex, child))
        for sex in ("male", "female")
        for child in (False, True)
    }
    fitting.cache_clear()

    assert counts == {("male", False): 3, ("male", True): 2, ("female", False): 3, ("female", True): 2}


def test_a_sentence_of_a_study_fits_whoever_it_does_not_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [parse("x", words) for words in ("Uterine tumours are common.", "The {sex} had a normal uterus.")]
    monkeypatch.setattr("clinical_ner.notes.compose.templates", lambda _: {"x": tuple(own)})
    fitting.cache_clear()

    found = [fitting("genetics", "x", sex, False) for sex in ("male", "female")]
    fitting.cache_clear()

    assert found == [(own[0],), tuple(own)]


def test_only_notes_about_patients_ask_for_the_record() -> None:
    asked = {slot.name for style, template in ALL if style in LITERATURE for slot in template.slots}

    assert asked & {*resources.DETAILS, *RECORD_DISEASES, *RECORD_TREATMENTS, *REFERS_TO} == {ECHO}


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

    assert set(fillers()) - asked == {"unit", "unfit_male", "unfit_female", "unfit_child", "unfit_adult"}
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

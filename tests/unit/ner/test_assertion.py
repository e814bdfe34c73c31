"""What a sentence says of its entities, and by which words."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import ASSERTIONS, DISEASE, LABELS, SECTIONS, TREATMENT, Span
from clinical_ner.ner import assertion
from clinical_ner.ner.assertion import BY_DEFAULT, Section, Trigger, assertions
from clinical_ner.ner.tokenize import tokens

KEYS = {"assertion", "labels", "window", "but_lasting", "over_plans", "of_findings", "weak", "phrases"}
MARKED = re.compile(r"\[([^\]]*)\]|\{([^}]*)\}")  # [disease] and {treatment}


def marked(text: str) -> tuple[str, list[Span]]:
    """A sentence without its marks, and its entities."""
    plain, spans, past = "", [], 0
    for found in MARKED.finditer(text):
        plain += text[past : found.start()]
        name = found[1] or found[2]
        spans.append(Span(len(plain), len(plain) + len(name), DISEASE if found[1] else TREATMENT))
        plain, past = plain + name, found.end()
    return plain + text[past:], spans


def read(text: str) -> list[tuple[str, str | None]]:
    """The assertion of each marked entity with the words of its trigger."""
    plain, spans = marked(text)
    found = assertions(tokens(plain), spans)
    return [(said.name, said.trigger and plain[said.trigger.start : said.trigger.end]) for said in found]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("She has [asthma].", "present"),
        ("No fever, chills, or [pneumonia].", "absent"),
        ("No [fever], [rash] or [gout], but [pneumonia].", "absent absent absent present"),
        ("Denies [asthma] or [COPD]; known [gout].", "absent absent present"),
        ("CT negative for [PE].", "absent"),
        ("[PE] was ruled out.", "absent"),
        ("[PE], [DVT] and [pneumonia] were excluded.", "absent absent absent"),
        ("[Asthma] stable, [PE] was ruled out.", "present absent"),
        ("[Pulmonary embolism] ([PE]) was ruled out.", "absent absent"),
        ("[PE], [deep vein thrombosis] ([DVT]) or [COPD] is unlikely.", "uncertain uncertain uncertain uncertain"),
        ("[COPD] ([asthma] earlier); [PE] was ruled out.", "present present absent"),
        (
            "Home: {lisinopril} ([HTN]), {metformin} ([DM]), {aspirin} held.",
            "present present present present historical",
        ),
        (
            "[Hypertension] ({lisinopril}), [diabetes] ({metformin}), [PE] was ruled out.",
            "present present present present absent",
        ),
        ("The patient ([asthma]) denied [chest pain].", "present absent"),
        ("Her husband ([flu]) denied [cough].", "family absent"),
        ("Patients with [asthma] did not develop [pneumonia].", "present absent"),
        ("She has not developed [ascites].", "absent"),
        ("Recurrence of [lymphoma] did not occur.", "present"),
        ("{Resection} for [colon cancer] was abandoned.", "present present"),
        ("She points to her [epigastric pain].", "present"),
        ("No findings pointing to [PE]; nothing pointing to [TB].", "absent absent"),
        ("A normal D-dimer argued against [PE].", "absent"),
        ("Easily mistaken for [gout]; [pneumonia] is favored over [PE].", "absent present uncertain"),
        ("[Perforation] was feared.", "uncertain"),
        ("The possibilities included [lymphoma] and [tuberculosis].", "uncertain uncertain"),
        ("No known history of [asthma].", "absent"),
        ("Without any [edema]; on {aspirin}.", "absent present"),
        ("No [chest pain], continue {aspirin}.", "absent present"),
        ("r/o [PE].", "uncertain"),
        ("A: ?[CHF] vs [pneumonia].", "uncertain uncertain"),
        ("Possible [CHF], probable [COPD], likely [viral], suspected [PE].", "uncertain " * 4),
        ("Cannot exclude [pneumonia].", "uncertain"),
        ("[Pneumonia] is unlikely.", "uncertain"),
        ("Possible [PE] was ruled out.", "absent"),
        ("h/o [DVT], here with [cellulitis].", "historical present"),
        ("History of present illness: [asthma] for years.", "present"),
        ("Two years earlier, she had undergone {colectomy}.", "historical"),
        ("The history was remarkable for [mumps] and {splenectomy}.", "historical historical"),
        ("[Rheumatic fever] at the age of eight.", "historical"),
        ("[Sinusitis], which had resolved, did not recur.", "historical"),
        ("A {shunt} had been inserted in infancy.", "historical"),
        ("She made a slow recovery after {colectomy}.", "present"),
        ("A 10-year history of [diabetes].", "present"),
        ("[Stroke] in 2015, [hypertension] diagnosed in 2015.", "historical present"),
        ("s/p {CABG}, [HTN].", "historical present"),
        ("Mother had [lupus] and a sister has [psoriasis].", "family family"),
        ("Family history of [gout] in her father.", "family"),
        ("No family history of [gout].", "absent"),
        ("Her father had [gout] and she has [asthma].", "family present"),
        ("The family doctor saw [asthma].", "present"),
        ("At risk of [stroke].", "hypothetical"),
        ("{Heparin} for [DVT] prophylaxis.", "present hypothetical"),
        ("Screening for [colon cancer] is due.", "hypothetical"),
        ("Return for [cellulitis].", "hypothetical"),
        ("Start {prednisone} if [asthma] worsens.", "hypothetical hypothetical"),
        ("Should [sepsis] develop, call.", "hypothetical"),
        ("{Warfarin} was stopped.", "historical"),
        ("Discontinued {aspirin}; hold {metformin}.", "historical historical"),
        ("Previously treated with {gold}.", "historical"),
        ("Declined {surgery}, allergic to {penicillin}.", "absent historical"),
        ("Avoid {NSAIDs}.", "hypothetical"),
        ("Low suspicion for [PE].", "absent"),
        ("History of [hypertension] and [pneumonia].", "present historical"),
        ("Past medical history is notable for [hypertension] and [pneumonia].", "present historical"),
        ("Consider {surgery}.", "hypothetical"),
        ("Consider [PE].", "uncertain"),
        ("Growth was gram-negative, no change in [asthma].", "present"),
        ("Net negative 2 L, [heart failure] better.", "present"),
        ("[MI] 3 years ago, [DVT] six months ago, [pneumonia] last year.", "historical historical historical"),
        ("[Stroke] in March 2012, {CABG} 2 years ago.", "historical historical"),
        ("[Diabetes] diagnosed 3 years ago.", "present"),
        ("[Asthma] 10 years ago.", "present"),
        ("{Metformin}, started 2 years ago.", "present"),
        ("[Asthma] (-), [COPD] (-), [CAD] (+).", "absent absent present"),
        ("[HIV]-, [HCV]+.", "absent present"),
        ("[Diabetes]: denies. [Gout]: no.", "absent absent"),
        ("[Asthma]: none. [Gout]: no flares.", "absent present"),
        ("Neg [DVT] by US; gram neg [bacteremia].", "absent present"),
        ("Tox screen neg, [asthma] stable.", "present"),
        ("{Lasix} dc'd, {zinc} d/c'd, dc'd {gold}, cont {aspirin}.", "historical historical historical present"),
        ("no fever. [asthma] stable.", "present"),
        ("mother with [lupus]. [gout] on exam.", "family present"),
        ("stopped {aspirin}. {gold} daily.", "historical present"),
        ("[asthma] stable. [PE] was ruled out.", "present absent"),
        ("[gout]. resolved rash.", "present"),
        ("[CHF] vs. [pneumonia].", "uncertain uncertain"),
    ],
)
def test_the_words_around_an_entity_say_how_it_is_meant(text: str, names: str) -> None:
    assert [name for name, _ in read(text)] == names.split()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[DVT] prophylaxis: {heparin}; [VTE] ppx: {Lovenox}.", "hypothetical present hypothetical present"),
        ("He was ruled out for [MI].", "absent"),
        ("CT was negative for [PE].", "absent"),
        ("He has failed {metformin}.", "historical"),
        ("Was switched from {lisinopril} to {losartan}.", "historical present"),
        ("Was tapered off {prednisone}.", "historical"),
        ("He never started {lithium} and was not started on {gold}.", "absent absent"),
        ("The cause is likely viral [pneumonia].", "uncertain"),
        ("[Pneumonia] is likely.", "uncertain"),
        ("{Colonoscopy} is scheduled for May.", "hypothetical"),
        ("She is scheduled for {colonoscopy}.", "hypothetical"),
    ],
)
def test_a_longer_phrase_says_in_both_directions_what_the_shorter_one_does(text: str, names: str) -> None:
    assert [name for name, _ in read(text)] == names.split()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Consider starting {amlodipine}.", "hypothetical"),
        ("Recommend starting {amlodipine}.", "hypothetical"),
        ("If sepsis recurs, start {meropenem}.", "hypothetical"),
        ("If BP remains high, add {amlodipine}.", "hypothetical"),
        ("Declined to start {insulin}.", "absent"),
        ("Will not start {insulin}.", "absent"),
        ("Never been on {lithium}.", "absent"),
        ("Plan to start {rituximab}.", "hypothetical"),
        ("Start {aspirin}.", "present"),
        ("Will start {metformin}.", "present"),
        ("If tolerated, will increase {metoprolol}.", "hypothetical"),
        ("[Pneumonia]: start {ceftriaxone}.", "present present"),
        ("She should return in two weeks and will start {metformin}.", "present"),
        ("Not on {aspirin}, will start {clopidogrel}.", "absent present"),
        ("No aspirin, start {heparin}.", "present"),
        ("Risks, benefits of {thrombolysis} were discussed.", "hypothetical"),
    ],
)
def test_a_condition_reaches_over_the_words_of_a_plan_and_an_order_is_none(text: str, names: str) -> None:
    assert [name for name, _ in read(text)] == names.split()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("No {chemotherapy} for her [lymphoma].", "absent present"),
        ("Her father, who had [prostate cancer].", "family"),
        ("Her husband who has [COPD].", "family"),
        ("Her father had [MI]. ", "family"),
        ("[Diabetes] (mom), [lupus] (both parents), [MI] (MGF).", "family family family"),
        ("[Breast cancer] in two great-aunts.", "family"),
        ("[Asthma] in several cousins.", "family"),
        ("Brought in by her son for [pneumonia].", "present"),
        ("Accompanied by mother for follow-up of [epilepsy].", "present"),
        ("Daughter noticed worsening [depression].", "present"),
        ("Mother has [diabetes] and [COPD].", "family family"),
        ("Her mother had a [stroke] 3 years ago.", "family"),
        ("Here with her mother for [asthma].", "present"),
        ("Lives with her mother, who has [dementia].", "family"),
        ("A woman whose mother takes no {insulin} for her [diabetes].", "absent family"),
        ("Her brother is concerned about her [dementia].", "present"),
    ],
)
def test_a_relative_has_a_disease_and_is_no_patient_for_bringing_one(text: str, names: str) -> None:
    assert [name for name, _ in read(text)] == names.split()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("No filling defect to suggest [pulmonary embolism].", "absent"),
        ("No new focal consolidation to suggest [pneumonia].", "absent"),
        ("Nothing concerning for [malignancy].", "absent"),
        ("She does not take {insulin} for her [diabetes].", "absent present"),
        ("No further workup for [anemia].", "present"),
        ("Watch for signs of [infection].", "hypothetical"),
        ("Risks including [infection] and [stroke] were discussed.", "hypothetical hypothetical"),
        ("She had [pneumonia] two months ago.", "historical"),
        ("She had [asthma] two months ago.", "present"),
        ("No large focal airspace consolidation to suggest [pneumonia].", "absent"),
        ("No urine output overnight concerning for [AKI].", "uncertain"),
        ("Not able to bear weight, concerning for [hip fracture].", "uncertain"),
        ("Diagnosed with [multiple myeloma] 2 years ago.", "present"),
        ("No fever to suggest [pneumonia], [UTI] or [sepsis].", "absent absent absent"),
        ("No fever; possible [pneumonia].", "uncertain"),
        ("CT concerning for [PE].", "uncertain"),
        ("No [PE] or [DVT] to suggest [VTE].", "absent absent uncertain"),
    ],
)
def test_a_denied_finding_denies_what_it_would_mean_and_a_denied_treatment_no_disease(text: str, names: str) -> None:
    assert [name for name, _ in read(text)] == names.split()


def test_the_trigger_is_the_words_that_say_so() -> None:
    assert read("There is no evidence of [asthma].") == [("absent", "no evidence of")]
    assert read("No prior history of [asthma].") == [("absent", "No prior")]
    assert read("[PE] was ruled out.") == [("absent", "was ruled out")]
    assert read("[Asthma].") == [("present", None)]


def test_a_word_of_an_entity_is_no_cue() -> None:
    assert read("[No-reflow phenomenon] and [gout].") == [("present", None), ("present", None)]


def test_a_window_ends_the_reach_of_a_cue() -> None:
    assert read("Old [fracture].") == [("historical", "Old")]
    assert read("Old films were looked at again for [fracture].") == [("present", None)]


@pytest.mark.parametrize(
    ("text", "section", "name"),
    [
        ("Type 2 [diabetes].", "family_history", "family"),
        ("No [diabetes].", "family_history", "absent"),
        ("{Penicillin}: rash.", "allergies", "historical"),
        ("[Anaphylaxis].", "allergies", "historical"),
        ("[Asthma].", "past_medical_history", "present"),
        ("[Asthma].", None, "present"),
    ],
)
def test_a_section_says_it_unless_the_sentence_does(text: str, section: str | None, name: str) -> None:
    plain, spans = marked(text)
    heading = Trigger(90, 99)

    [said] = assertions(tokens(plain), spans, [Section(section, heading)])

    assert said.name == name
    assert (said.trigger == heading) == (name == "family" or section == "allergies")


words = st.sampled_from(
    [
        "no",
        "not",
        "history",
        "of",
        "mother",
        "if",
        "?",
        ",",
        ";",
        ")",
        "vs",
        "2015",
        "in",
        "has",
        "asthma",
        "s/p",
        "but",
    ]
)


@given(st.lists(words, max_size=25), st.data())
def test_every_entity_gets_one_assertion_and_a_trigger_outside_of_all_entities(
    row: list[str], data: st.DataObject
) -> None:
    sentence = tokens(" ".join(row))
    chosen = data.draw(st.sets(st.integers(0, max(0, len(sentence) - 1)), max_size=4)) if sentence else set()
    spans = [Span(sentence[at].start, sentence[at].end, LABELS[at % 2]) for at in sorted(chosen)]

    found = assertions(sentence, spans)

    assert len(found) == len(spans)
    assert {said.name for said in found} <= set(ASSERTIONS)
    assert all(said.trigger or said == BY_DEFAULT for said in found)
    for trigger in (said.trigger for said in found if said.trigger):
        assert not any(span.overlaps(Span(*trigger, DISEASE)) for span in spans)


def test_a_sentence_without_entities_is_not_read() -> None:
    assert assertions(tokens("No asthma."), []) == []


def test_the_resource_names_known_assertions_labels_and_sections_only() -> None:
    content = yaml.safe_load(assertion.RESOURCE.read_text(encoding="utf-8"))
    groups = content["forward"] + content["backward"]

    assert set(content["precedence"]) == set(ASSERTIONS)
    assert {group["assertion"] for group in groups} <= set(ASSERTIONS)
    assert {label for group in groups for label in group.get("labels", [])} <= set(LABELS)
    assert set(content["sections"]) <= set(SECTIONS)
    assert set().union(*groups) <= KEYS
    assert all(isinstance(phrase, str) for group in groups for phrase in group["phrases"])
    assert all(isinstance(phrase, str) for phrase in content["stops"] + content["plans"] + content["pseudo"])


def test_no_phrase_is_given_twice_for_the_same_label_and_direction() -> None:
    content = yaml.safe_load(assertion.RESOURCE.read_text(encoding="utf-8"))
    given_for = [
        (direction, label, phrase)
        for direction in ("forward", "backward")
        for group in content[direction]
        for label in group.get("labels", LABELS)
        for phrase in assertion._expanded(group["phrases"], content)
    ]

    twice = {row for row in given_for if given_for.count(row) > 1}

    assert twice == set()

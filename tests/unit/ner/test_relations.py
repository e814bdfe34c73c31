"""Which treatment goes with which disease."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.concepts import Concepts, Form
from clinical_ner.ner.extraction import interpret_spans

MARKED = re.compile(r"\[([^\]]*)\]|\{([^}]*)\}")  # [disease] and {treatment}


def marked(text: str) -> tuple[str, list[Span]]:
    plain, spans, past = "", [], 0
    for found in MARKED.finditer(text):
        plain += text[past : found.start()]
        name = found[1] or found[2]
        spans.append(Span(len(plain), len(plain) + len(name), DISEASE if found[1] else TREATMENT))
        plain, past = plain + name, found.end()
    return plain + text[past:], spans


def pairs(text: str, concepts: Concepts | None = None) -> list[str]:
    """The pairs of a marked text, each as treatment>disease."""
    plain, spans = marked(text)
    found = interpret_spans(plain, spans, concepts).pairs
    return [f"{plain[t.start : t.end]}>{plain[d.start : d.end]}" for t, d in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[Gout] came before {aspirin} near [asthma].", ["aspirin>asthma"]),
        ("[Gout] needs {aspirin}, then there is [asthma].", ["aspirin>Gout"]),
        ("[Gout], and later {aspirin} for [asthma].", ["aspirin>asthma"]),
        ("[Gout] treated with {aspirin}, [asthma].", ["aspirin>Gout"]),
        ("[Gout] - continue {aspirin} 81 mg, {gold} and {zinc}; [asthma].", ["aspirin>Gout", "gold>Gout", "zinc>Gout"]),
        ("[Gout], on {aspirin}; no evidence of [asthma].", ["aspirin>Gout"]),
        ("On {aspirin}; no [asthma].", []),
        ("{Aspirin} and {gold} for [gout].", ["Aspirin>gout", "gold>gout"]),
        ("{Aspirin} ([gout]).", ["Aspirin>gout"]),
        ("[Neuropathy] from {gold}.", []),
        ("[Neuropathy] due to {gold}.", []),
        ("{Aspirin} was stopped because of [gastritis].", []),
        ("{Aspirin} was held for [gastritis].", []),
        ("{Aspirin} for [gout] was held.", ["Aspirin>gout"]),
        ("{Lisinopril} caused [angioedema].", []),
        ("{Metformin}-induced [acidosis].", []),
        ("{Statin} intolerance with [myalgia].", []),
        ("Allergies: {penicillin} ([anaphylaxis]), {codeine} ([urticaria])", []),
        ("Allergic to {penicillin} ([rash]); {aspirin} for [gout].", ["aspirin>gout"]),
        ("Her mother was treated with {aspirin} for [gout].", ["aspirin>gout"]),
        ("Her mother had [gout] and she takes {aspirin}.", []),
        ("{Heparin} for [DVT] prophylaxis.", ["Heparin>DVT"]),
        ("{Aspirin}.", []),
        ("", []),
    ],
)
def test_the_words_between_say_what_a_treatment_is_for(text: str, found: list[str]) -> None:
    assert pairs(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Has [gout]. Takes {aspirin}.", ["aspirin>gout"]),
        ("Has [gout] and [asthma]. Takes {aspirin}.", ["aspirin>asthma"]),
        ("Has [gout]. She slept well. Takes {aspirin}.", []),
        ("Takes {aspirin}. Has [gout].", []),
        ("Has [gout].\n\nTakes {aspirin}.", []),
        ("PMH: [gout].\nMeds: {aspirin}.", []),
        ("No [gout]. Takes {aspirin}.", []),
        ("Has [gout]. Stopped {aspirin}.", []),
        ("Plan:\n1. [Gout]: rest. Better now. Add {aspirin}.\n2. {Gold}.", ["aspirin>Gout"]),
        ("# [Gout]\n- {aspirin}\n- {gold} daily\n# Sleep\n- {zinc}", ["aspirin>Gout", "gold>Gout"]),
        ("1. [Gout]\n   - {aspirin}\n2. {gold}", ["aspirin>Gout"]),
        ("- [Gout]\n- {aspirin}", []),
        ("- [Gout]\n1. {aspirin}", []),
        ("  - [Gout]\n1. {aspirin}", []),
        ("[Gout] better\n- {aspirin}", []),
        ("A: [pneumonia], [gout].\nP: {ceftriaxone}.", ["ceftriaxone>pneumonia"]),
        ("CC: [pneumonia]\n\nBetter.\n\nPlan:\n{ceftriaxone}", ["ceftriaxone>pneumonia"]),
    ],
)
def test_without_a_disease_in_its_sentence_a_treatment_is_for_what_the_note_is_about_there(
    text: str, found: list[str]
) -> None:
    assert pairs(text) == found


@pytest.fixture(scope="module")
def concepts() -> Concepts:
    """Of some diseases with a code, and of a brand."""
    coded = {"hypertension": "I10", "pneumonia": "J18.9", "gout": "M10.9", "asthma": "J45.909"}
    coded |= {"colitis": "K52.9", "cellulitis": "L03.90", "pneumonitis": "J84.9", "rheumatoid arthritis": "M06.9"}
    forms = [Form(name, DISEASE, f"D{code}", name, "disease", code, 0) for name, code in coded.items()]
    return Concepts.build([*forms, Form("Zestril", TREATMENT, "MESH:D1", "lisinopril", "drug", None, 0)])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PMH: [gout], [hypertension].\nMeds: {Zestril}, {allopurinol}.", ["Zestril>hypertension", "allopurinol>gout"]),
        ("Meds: {lisinopril}.\n\nPMH: [hypertension].", ["lisinopril>hypertension"]),
        ("[Hypertension] and [gout] are stable, {lisinopril}.", ["lisinopril>Hypertension"]),
        ("Has [hypertension].\n\n{Lisinopril} for [gout].", ["Lisinopril>gout"]),  # as it is said
        ("Has [hypertension].\n\n[Gout] treated with {lisinopril}.", ["lisinopril>Gout"]),
        ("Has [hypertension].\n\n[Gout] was seen by a doctor, {lisinopril}.", ["lisinopril>hypertension"]),
        ("Has [gout]. Takes {lisinopril}.", ["lisinopril>gout"]),  # what it is for is not in the note
        ("Has [gout]. Takes {zinc}.", ["zinc>gout"]),  # nothing is known of it
        ("PMH: [hypertension].\nNever took {lisinopril}.", []),
        ("PMH: [hypertension].\nStopped {lisinopril}.", ["lisinopril>hypertension"]),
        ("PMH: [hypertension].\nConsider {lisinopril}.", ["lisinopril>hypertension"]),
        # It is no reason that it is given for such diseases too.
        ("[Cellulitis] due to {clindamycin}.", []),
        ("{Methotrexate} caused [pneumonitis].", []),
        ("{Ceftriaxone} was discontinued because of [cellulitis].", []),
        ("PMH: [rheumatoid arthritis].\n{Methotrexate} caused [pneumonitis].", ["Methotrexate>rheumatoid arthritis"]),
        ("Has [gout]. Developed [asthma] due to {zinc}.", []),
        ("PMH: [hypertension].\n\n[Gout] treated with {zinc}, {lisinopril}.", ["zinc>Gout", "lisinopril>Gout"]),
        ("No [hypertension].\nMeds: {lisinopril}.", []),
        ("PMH: [hypertension].\nFH: mother on {lisinopril}.", []),
        ("A: [pneumonia].\nP: {ceftriaxone} if febrile.", ["ceftriaxone>pneumonia"]),
        ("A: [pneumonia].\nP: consider {zinc}.", []),  # only thought of, and nothing is known of it
    ],
)
def test_a_treatment_is_for_what_it_is_usually_given_for_where_the_words_do_not_say(
    concepts: Concepts, text: str, found: list[str]
) -> None:
    assert pairs(text, concepts) == found


def test_of_several_diseases_that_it_is_given_for_it_is_the_nearest(concepts: Concepts) -> None:
    text = "[Asthma].\n\n[Pneumonia].\n\nMeds: {doxycycline}, {albuterol}."

    assert pairs(text, concepts) == ["doxycycline>Pneumonia", "albuterol>Asthma"]


pieces = st.sampled_from(
    ["[gout]", "[asthma]", "{aspirin}", "{albuterol}", "no", "for", ".", ";", "and", "\n- ", "Plan:", "\n\n"]
)


@given(st.lists(pieces, max_size=20).map(" ".join))
def test_each_treatment_has_at_most_one_disease_and_never_one_that_is_denied(concepts: Concepts, text: str) -> None:
    plain, spans = marked(text)

    read = interpret_spans(plain, spans, concepts)

    assert len({treatment for treatment, _ in read.pairs}) == len(read.pairs)
    meant = {mention.span: mention.assertion for mention in read.mentions}
    for treatment, disease in read.pairs:
        assert (treatment.label, disease.label) == (TREATMENT, DISEASE)
        assert meant[disease] != "absent"


def test_a_very_long_sentence_or_item_takes_no_time() -> None:
    plain, spans = marked("- [gout] and {aspirin} " + "[gout] {aspirin} x " * 5_000)

    assert len(interpret_spans(plain, spans).pairs) == 5_001

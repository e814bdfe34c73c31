"""Terms of each kind stand in the same places, and everything else is as it was."""

from __future__ import annotations

import pytest

from clinical_ner.core.params import DatasetParams
from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.exchange import exchanged_scores
from clinical_ner.ner.extraction_metrics import NO_CONCEPT, Annotated
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.held_out import HeldOut, Origin, Slices
from clinical_ner.ner.training import Example

KNOWN, LISTED, UNLISTED = "gout", "rare disease", "zyxitis"
NEW = f"Known for {KNOWN}, given aspirin."  # of a template that was never trained on
NEW_SPANS = (Span(10, 14, DISEASE), Span(22, 29, TREATMENT))


def of_template(id_: str, term: str, concept_id: str) -> tuple[Document, Origin]:
    """A sentence of a template that was trained on, with a term in it."""
    span = Span(10, 10 + len(term), DISEASE)
    document = Document(id_, f"There was {term} today.", (span,), None)
    return document, Origin("nobody", "abstract", (), (), (), {span: concept_id}, Annotated((), frozenset()))


@pytest.fixture
def unread() -> HeldOut:
    new = Document("new", NEW, NEW_SPANS, None)
    concepts = dict(zip(NEW_SPANS, ("D0", f"{NO_CONCEPT}aspirin"), strict=True))
    origin = Origin("nobody", "abstract", ((0, len(NEW)),), (), (), concepts, Annotated((), frozenset()))
    others = [
        of_template("listed", LISTED, "D1"),
        of_template("unlisted", UNLISTED, "D2"),
        of_template("phrase", "feeling unwell", f"{NO_CONCEPT}feeling unwell"),
    ]
    documents = [new, *(document for document, _ in others)]
    return HeldOut(documents, {"new": origin, **{document.id: each for document, each in others}}, frozenset())


@pytest.fixture
def slices(unread: HeldOut) -> Slices:
    """Gout and aspirin were trained on, everything else was withheld."""
    examples = [Example([word], [f"B-{label}"]) for word, label in ((KNOWN, DISEASE), ("aspirin", TREATMENT))]
    shares = dict.fromkeys(
        ("unseen_patients", "unseen_notes", "unseen_templates", "calibration_templates", "unlisted_terms"), 0.5
    )
    gazetteer = Gazetteer.build([(KNOWN, "disease"), (LISTED, "disease")])
    return Slices(unread, examples, gazetteer, DatasetParams(seed=1, unseen_terms=1.0, **shares))


class Reader:
    """Finds the terms that it is told of, and keeps the texts."""

    def __init__(self, *terms: str) -> None:
        self.terms = terms
        self.texts: list[str] = []

    def __call__(self, text: str) -> list[Span]:
        self.texts.append(text)
        return [Span(text.index(t), text.index(t) + len(t), DISEASE) for t in self.terms if t in text]


def test_terms_of_each_kind_are_put_in_the_same_places(unread: HeldOut, slices: Slices) -> None:
    reader = Reader()

    exchanged_scores(reader, unread, slices, LABELS, seed=1)

    assert reader.texts == [NEW.replace(KNOWN, term) for term in (KNOWN, LISTED, UNLISTED)]


def test_the_scores_are_of_what_was_put_in(unread: HeldOut, slices: Slices) -> None:
    found = exchanged_scores(Reader(KNOWN, LISTED, "zyx"), unread, slices, LABELS, seed=1)

    disease = {name: table["per_label"][DISEASE] for name, table in found.items()}
    assert {name: row["f1"] for name, row in disease.items()} == {
        "seen": 1.0,
        "withheld_listed": 1.0,
        "withheld_unlisted": 0.0,  # other boundaries
    }
    assert [row["support"] for row in disease.values()] == [1, 1, 1]
    assert {table["predicted"] for table in found.values()} == {1}


def test_what_is_found_elsewhere_counts_nowhere(unread: HeldOut, slices: Slices) -> None:
    found = exchanged_scores(Reader(KNOWN, "given"), unread, slices, LABELS, seed=1)

    assert found["seen"]["per_label"][DISEASE]["precision"] == 1.0


def test_a_kind_without_terms_has_no_scores(unread: HeldOut, slices: Slices) -> None:
    without = unread._replace(documents=[each for each in unread.documents if each.id != "unlisted"])

    assert list(exchanged_scores(Reader(), without, slices, LABELS, seed=1)) == ["seen", "withheld_listed"]

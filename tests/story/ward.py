"""Notes of a hospital that nobody has trained on: as usual, and after a ward with terms of its own has opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from clinical_ner.core import io, params
from clinical_ner.core.schema import LEXICON
from clinical_ner.core.seeds import stream
from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner.metrics import count_spans
from clinical_ner.notes.charts import POPULATION, record_of
from clinical_ner.notes.tables import write_notes
from clinical_ner.notes.terms import lexis
from clinical_ner.population.catalogue import diseases
from clinical_ner.population.sample import sample_population

SEED = 80_101  # of people that no stage has
NEW_TERMS = 40  # of each label
SHARE = 0.5  # of the mentions on the new ward


class Gold(NamedTuple):
    """A note as whoever wrote it would mark it."""

    text: str
    spans: tuple[Span, ...]


def usual_notes(repository: Path, people: int, seed: int = SEED) -> list[Gold]:
    """The notes about fresh people, three each, as the repository's own parameters write them."""
    settings, vocabulary = params.load(repository / "params.yaml"), io.read_vocabulary(repository / "data/vocabulary")
    sampled = sample_population(settings.population.model_copy(update={"seed": seed, "patients": people}))
    record = record_of(*(getattr(sampled, table.name) for table in POPULATION))
    words = lexis(vocabulary, diseases())
    manner = settings.notes.model_copy(update={"seed": seed, "literature_texts": 0})
    written = write_notes(record, words, manner, settings.population.reference_date)
    spans: dict[str, list[Span]] = {}
    columns = (written.entities[name] for name in ("note_id", "start", "end", "label"))
    for note_id, *span in zip(*columns, strict=True):
        spans.setdefault(note_id, []).append(Span(*span))
    return [
        Gold(text, tuple(sorted(spans.get(note_id, ()))))
        for note_id, text in zip(written.notes["note_id"], written.notes["text"], strict=True)
    ]


def notes_of_the_new_ward(repository: Path, people: int) -> list[Gold]:
    """The notes about other people, half of whose diseases and treatments are such as the model has in no list."""
    draws, terms = stream(SEED, "ward"), new_terms(repository)

    def renamed(note: Gold) -> Iterator[tuple[Span, str]]:
        for span in note.spans:
            is_new = draws.random() < SHARE
            yield span, str(draws.choice(terms[span.label])) if is_new else note.text[span.start : span.end]

    return [rewritten(note, renamed(note)) for note in usual_notes(repository, people, SEED + 1)]


def new_terms(repository: Path) -> dict[str, list[str]]:
    """Terms of the vocabulary that are withheld from training and from the gazetteer, by label."""
    vocabulary, known = (
        io.read_vocabulary(repository / "data/vocabulary"),
        io.read(LEXICON, repository / "data/dataset"),
    )
    found = {}
    for label, table in ((DISEASE, vocabulary.diseases), (TREATMENT, vocabulary.drugs)):
        unseen = sorted(set(table["term"]) - set(known["term"]))
        found[label] = [str(term) for term in stream(SEED, label).choice(unseen, NEW_TERMS, replace=False)]
    return found


def rewritten(note: Gold, terms: Iterable[tuple[Span, str]]) -> Gold:
    """The note with other words in the place of its spans, in their order."""
    text, spans, end = "", [], 0
    for span, term in terms:
        text += note.text[end : span.start]
        spans.append(Span(len(text), len(text) + len(term), span.label))
        text, end = text + term, span.end
    return Gold(text + note.text[end:], tuple(spans))


def f1(notes: Iterable[Gold], readings: Iterable[set[Span]]) -> float:
    """The strict F1 of what was read."""
    found = [
        counts
        for note, read in zip(notes, readings, strict=True)
        for counts in count_spans(set(note.spans), read).values()
    ]
    right, sizes = sum(one.true_positives for one in found), sum(one.predicted + one.gold for one in found)
    return 2 * right / sizes

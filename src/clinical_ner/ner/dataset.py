"""Hold out patients, templates and terms, and lay out what is trained on.

Membership is a hash of the name, so that a larger population or vocabulary moves nobody between sides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core import io
from clinical_ner.core.errors import UserError
from clinical_ner.core.params import DatasetParams
from clinical_ner.core.schema import ENTITIES, NOTES, RELATIONS, SEGMENTS, TOKENS
from clinical_ner.core.seeds import unit_hash
from clinical_ner.core.span import Span
from clinical_ner.ner import bio
from clinical_ner.ner.abbreviations import definitions
from clinical_ner.ner.gazetteer import folded
from clinical_ner.ner.tokenize import Token, sentences, tokens
from clinical_ner.ner.training import Example, example


class NoteTables(NamedTuple):
    """The tables NOTES, ENTITIES, SEGMENTS and RELATIONS."""

    notes: pd.DataFrame
    entities: pd.DataFrame
    segments: pd.DataFrame
    relations: pd.DataFrame


def read_notes(folder: Path) -> NoteTables:
    """Read the four tables; raises as `io.read` does."""
    return NoteTables(*(io.read(table, folder) for table in (NOTES, ENTITIES, SEGMENTS, RELATIONS)))


def split_notes(notes: pd.DataFrame, params: DatasetParams) -> pd.DataFrame:
    """SPLITS: unseen patients keep all their notes out of training, seen ones a share of theirs.

    Literature is about nobody; each text counts as a patient of its own.
    """
    person = notes["patient_id"].fillna(notes["note_id"])
    seen = person.map(lambda key: unit_hash(params.seed, "patients", key) >= params.unseen_patients)
    kept = notes["note_id"].map(lambda key: unit_hash(params.seed, "notes", key) >= params.unseen_notes)
    trained = seen & (kept | notes["patient_id"].isna())
    return pd.DataFrame({"note_id": notes["note_id"], "train": trained, "patient_seen": seen})


def split_templates(segments: pd.DataFrame, params: DatasetParams) -> pd.DataFrame:
    """TEMPLATE_SPLITS: which templates may be trained on."""
    names = pd.Series(sorted(segments["template_id"].unique()), name="template_id", dtype=str)
    seen = names.map(lambda name: unit_hash(params.seed, "templates", name) >= params.unseen_templates)
    drawn = names.map(lambda name: unit_hash(params.seed, "calibration", name) < params.calibration_templates)
    return pd.DataFrame({"template_id": names, "seen": seen.astype(bool), "calibrates": (drawn & ~seen).astype(bool)})


def common_concepts(vocabulary: io.Vocabulary) -> frozenset[str]:
    """The diseases and treatments that notes are full of."""
    tables = (vocabulary.diseases, vocabulary.drugs, vocabulary.procedures)
    return frozenset(concept_id for table in tables for concept_id in table.loc[table["common"], "concept_id"])


def is_trained_on(concept_id: str, params: DatasetParams, common: Collection[str] = ()) -> bool:
    """Whether mentions of the concept may be trained on: those of a common one always, the model is to know them."""
    return concept_id in common or unit_hash(params.seed, "terms", concept_id) >= params.unseen_terms


def is_listed(concept_id: str, params: DatasetParams) -> bool:
    """Whether the gazetteer may hold a rare concept; an unlisted one is never trained on either."""
    return unit_hash(params.seed, "terms", concept_id) >= params.unlisted_terms


def lexicon(vocabulary: io.Vocabulary, params: DatasetParams) -> pd.DataFrame:
    """LEXICON: the terms that the gazetteer holds; a surface form of an unlisted concept is left out everywhere.

    Common concepts are always listed: a gazetteer without heart failure would be of no use.
    """
    diseases, drugs, procedures, substances = vocabulary
    tables = [
        diseases.assign(kind=diseases["symptom"].map({True: "symptom", False: "disease"})),
        drugs.assign(kind="drug"),
        procedures.assign(kind=procedures["kind"].replace("therapy", "procedure")),
        substances.assign(kind="substance"),
    ]
    terms = pd.concat(tables, ignore_index=True)
    key = terms["term"].map(lambda term: folded(token.text for token in tokens(term)))
    listed = terms["common"] | terms["concept_id"].map(lambda concept_id: is_listed(concept_id, params))
    kept = terms[~key.isin(set(key[~listed]))]
    return kept[["term", "kind", "concept_id"]].drop_duplicates(["term", "kind"], ignore_index=True)


def training_examples(
    corpus: NoteTables,
    splits: pd.DataFrame,
    templates: pd.DataFrame,
    params: DatasetParams,
    common: Collection[str] = (),
) -> list[Example]:
    """The sentences of the training notes that no held-out template wrote and no held-out term is in, each once.

    Templates repeat themselves, and a sentence read twice teaches nothing new but costs as much.

    Raises:
        UserError: a gold span cuts a token or crosses a sentence: a template glues letters to a slot.
    """
    seen = set(templates.loc[templates["seen"], "template_id"])
    examples: list[Example] = []
    for text, entities, segments in _texts(corpus, splits[splits["train"]]):
        barred = [s for s in segments if s.template_id not in seen]
        barred += [e for e in entities if not is_trained_on(str(e.concept_id), params, common)]
        examples += _examples(text, entities, barred)
    return _distinct(examples)


def calibration_examples(corpus: NoteTables, splits: pd.DataFrame, templates: pd.DataFrame) -> list[Example]:
    """The sentences of the held-out notes that templates which calibrate wrote, each once."""
    chosen = set(templates.loc[templates["calibrates"], "template_id"])
    examples: list[Example] = []
    for text, entities, segments in _texts(corpus, splits[~splits["train"]]):
        barred = [s for s in segments if s.template_id not in chosen]
        if len(barred) < len(segments):
            examples += _examples(text, entities, barred)
    return _distinct(examples)


def _texts(corpus: NoteTables, split: pd.DataFrame) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """The texts of the notes of a split in order, each with its entities and its segments."""
    entities, segments = rows_by_note(corpus.entities), rows_by_note(corpus.segments)
    texts = corpus.notes.merge(split, on="note_id").sort_values("note_id")
    for note_id, text in zip(texts["note_id"], texts["text"], strict=True):
        yield text, entities[note_id], segments[note_id]


def _distinct(examples: Iterable[Example]) -> list[Example]:
    return list({(tuple(e.words), tuple(e.tags), tuple(sorted(e.long_forms.items()))): e for e in examples}.values())


def rows_by_note(frame: pd.DataFrame) -> defaultdict[str, list[Any]]:
    """The rows of a table by their `note_id`, in order; none for a note that has none."""
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    for row in frame.itertuples(index=False):
        grouped[str(row.note_id)].append(row)
    return grouped


def _examples(text: str, entities: list[Any], barred: list[Any]) -> Iterator[Example]:
    defined = definitions(text)
    for sentence in sentences(text):
        if not any(_touches(stretch, sentence) for stretch in barred):
            encoded = bio.encode(sentence, [Span(e.start, e.end, e.label) for e in entities if _touches(e, sentence)])
            if encoded.widened or encoded.dropped:
                raise UserError(
                    f"note {entities[0].note_id}: a gold span does not begin and end with its words",
                    "let no letter of a template touch a slot",
                )
            yield example(sentence, encoded.tags, defined)


def _touches(stretch: Any, sentence: list[Token]) -> bool:
    return bool(stretch.start < sentence[-1].end and sentence[0].start < stretch.end)


def token_table(examples: list[Example]) -> pd.DataFrame:
    """TOKENS: one row a token of the training sentences."""
    rows = [
        (number, position, word, tag, sentence.long_forms.get(word), sentence.source, ",".join(sentence.annotates))
        for number, sentence in enumerate(examples)
        for position, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True))
    ]
    return pd.DataFrame(rows, columns=list(TOKENS.schema.columns))


def examples_of(table: pd.DataFrame) -> list[Example]:
    """The training sentences of a TOKENS table, in order."""
    columns = ["sentence", "token", "tag", "long_form", "source", "annotates"]
    rows = table.sort_values(["sentence", "position"])[columns]
    return [
        _example([row[1:] for row in sentence])
        for _, sentence in groupby(rows.itertuples(index=False, name=None), key=itemgetter(0))
    ]


def _example(rows: list[tuple[str, str, str | None, str, str]]) -> Example:
    words, tags, long_forms, sources, annotates = zip(*rows, strict=True)
    defined = {word: long for word, long in zip(words, long_forms, strict=True) if isinstance(long, str)}
    return Example(list(words), list(tags), defined, sources[0], tuple(annotates[0].split(",")))


def dataset_metrics(
    splits: pd.DataFrame, templates: pd.DataFrame, lexicon_table: pd.DataFrame, examples: list[Example]
) -> dict[str, Any]:
    """The sizes of what is trained on and of what is held out."""
    tags = [tag for example in examples for tag in example.tags]
    return {
        "split_texts": {
            "train": int(splits["train"].sum()),
            "held_out_seen_patients": int((splits["patient_seen"] & ~splits["train"]).sum()),
            "held_out_unseen_patients": int((~splits["patient_seen"]).sum()),
        },
        "split_templates": {"seen": int(templates["seen"].sum()), "unseen": int((~templates["seen"]).sum())},
        "lexicon_terms": len(lexicon_table),
        "training_sentences": len(examples),
        "training_tokens": len(tags),
        "training_entities": sum(tag.startswith("B-") for tag in tags),
    }

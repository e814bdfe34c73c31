"""Train the CRF from sentences of words and tags; one way for synthetic and for real text."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import marisa_trie
import pandas as pd
import sklearn_crfsuite

from clinical_ner.core.errors import UserError
from clinical_ner.core.params import FeatureGroup, TrainParams
from clinical_ner.core.seeds import stream, unit_hash
from clinical_ner.core.span import ANNOTATED, LABELS, SYNTHETIC
from clinical_ner.ner import adaptation, bio, model, weights
from clinical_ner.ner.abbreviations import definitions, kinds, singular
from clinical_ner.ner.adaptation import Settings
from clinical_ner.ner.calibration import Point
from clinical_ner.ner.calibration import fit as fit_calibration
from clinical_ner.ner.concepts import Concepts
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.features import OF_ANNOTATED, sentence_features
from clinical_ner.ner.gazetteer import Gazetteer, fold
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import Token
from clinical_ner.ner.weights import Weights


class Example(NamedTuple):
    """A sentence to learn from: its words, one BIO tag each, what its abbreviations stand for, and where it is from."""

    words: list[str]
    tags: list[str]
    long_forms: Mapping[str, str] = MappingProxyType({})  # of the words that its text defines as abbreviations
    source: str = SYNTHETIC
    annotates: tuple[str, ...] = LABELS  # of any other label an O says nothing


class Entry(NamedTuple):
    """A known term, the kind it is of, and the concept it names."""

    term: str
    kind: str
    concept_id: str


class Iteration(NamedTuple):
    """One iteration of the optimiser."""

    iteration: int
    loss: float
    active_features: int


class Prepared(NamedTuple):
    """Sentences ready to learn from, and what had to be done to the gold spans."""

    examples: list[Example]
    widened: int
    dropped: int


def prepare(documents: Iterable[Document], annotates: tuple[str, ...] = LABELS) -> Prepared:
    """Sentences of documents in which these labels are annotated, split and tokenised as the tagger does it."""
    examples, widened, dropped = [], 0, 0
    for document in documents:
        defined, tagged = definitions(document.text), bio.encode_text(document.text, document.spans)
        for sentence, tags in tagged.sentences:
            read_here = example(sentence, tags, defined)
            examples.append(read_here._replace(source=ANNOTATED, annotates=annotates))
        widened, dropped = widened + tagged.widened, dropped + tagged.dropped
    return Prepared(examples, widened, dropped)


def example(sentence: Sequence[Token], tags: list[str], defined: Mapping[str, str]) -> Example:
    """The sentence of a text that defines these abbreviations."""
    words = [token.text for token in sentence]
    return Example(words, tags, {word: defined[singular(word)] for word in words if singular(word) in defined})


def example_features(example: Example, gazetteer: Gazetteer, groups: Collection[str]) -> list[list[str]]:
    """The feature strings of each word of the example, as the tagger would see them."""
    return sentence_features(example.words, gazetteer, groups, kinds(example.long_forms, gazetteer))


def train(
    examples: Sequence[Example],
    lexicon: Iterable[Entry],
    params: TrainParams,
    out: Path,
    data: Mapping[str, str],
    concepts: Concepts | None = None,
    calibration: Sequence[Example] = (),
) -> list[Iteration]:
    """Train a CRF and write it to `out` (*.crfsuite), and beside it all that the tagger needs.

    While training, the concepts of `gazetteer_dropout` are hidden from the gazetteer features, so that
    the CRF learns to do without them; the gazetteer that is written knows all of `lexicon`.

    Args:
        data: the name and SHA-256 of every training input, for the manifest.
        concepts: what the entities found may be called; without them they have no name.
        calibration: sentences like those to be read and unlike those of `examples`, which say how sure to be; without
            them the confidence is the probability itself.

    Raises:
        UserError: there is nothing to learn from.
    """
    if not any(tag != bio.OUTSIDE for example in examples for tag in example.tags):
        raise UserError("the training sentences hold no entity", "check the corpus and its --map")
    lexicon = list(lexicon)
    with model.staged(out) as staged:
        learnt, log = learn(examples, partial_gazetteer(lexicon, params), params, staged)
        learnt.save(model.part(staged, model.WEIGHTS))
        Gazetteer.build((entry.term, entry.kind) for entry in lexicon).save(model.part(staged, model.GAZETTEER))
        marisa_trie.Trie(sorted(known_words(examples, params.min_frequency))).save(str(model.part(staged, model.WORDS)))
        tokens = sum(len(example.words) for example in examples)
        (concepts or Concepts.build(())).save(model.part(staged, model.CONCEPTS))
        model.write_manifest(staged, params, LABELS, learnt.tags, data, sentences=len(examples), tokens=tokens)
        model.calibrate(staged, fit_calibration(points(Tagger.load(staged), calibration)))
    return log


def points(tagger: Tagger, examples: Iterable[Example]) -> Iterator[Point]:
    """What the tagger finds in the sentences, each read by itself, and whether it is right."""
    for known in examples:
        past = accumulate(len(word) + 1 for word in known.words)
        words = [Token(end - 1 - len(word), end - 1, word) for word, end in zip(known.words, past, strict=True)]
        gold = set(bio.decode(words, known.tags))
        for entity in tagger.tag(" ".join(known.words)):
            yield Point(entity.label, entity.confidence, entity.span in gold)


def known_words(examples: Iterable[Example], min_frequency: int) -> set[str]:
    """The folded words of the training sentences: what is not among them is out of vocabulary.

    A word of annotated sentences alone must be in so many of them: the file is no list of a patient's words.
    """
    words: Counter[tuple[str, str]] = Counter()
    for example in examples:
        words.update((example.source, word) for word in {fold(word) for word in example.words})
    return {word for (source, word), count in words.items() if source == SYNTHETIC or count >= min_frequency}


def partial_gazetteer(lexicon: Iterable[Entry], params: TrainParams) -> Gazetteer:
    """The gazetteer without the concepts that are hidden while training."""

    def known(concept_id: str) -> bool:
        return unit_hash(params.seed, "gazetteer_dropout", concept_id) >= params.gazetteer_dropout

    return Gazetteer.build((entry.term, entry.kind) for entry in lexicon if known(entry.concept_id))


def learn(
    examples: Sequence[Example], gazetteer: Gazetteer, params: TrainParams, out: Path
) -> tuple[Weights, list[Iteration]]:
    """Fit a CRF to the synthetic sentences and adapt it to the annotated ones; of one kind alone, fit it to these."""
    annotated = [example for example in examples if example.source == ANNOTATED and example.words]
    synthetic = [example for example in examples if example.source == SYNTHETIC]
    log = fit(synthetic or annotated, gazetteer, params, out)
    learnt = weights.from_crfsuite(out)
    if not (synthetic and annotated):
        return learnt, log
    return adapted(learnt, annotated, gazetteer, params, log, rehearsal(synthetic, params))


def rehearsal(synthetic: Sequence[Example], params: TrainParams) -> list[Example]:
    """So many of the synthetic sentences as are read again while adapting, in their order; all if there are fewer."""
    readable = [example for example in synthetic if example.words]
    drawn = stream(params.seed, "rehearsal").permutation(len(readable))[: params.rehearsed_sentences]
    return [readable[place] for place in sorted(drawn)]


def adapted(
    learnt: Weights,
    annotated: Sequence[Example],
    gazetteer: Gazetteer,
    params: TrainParams,
    log: Sequence[Iteration] = (),
    rehearsed: Sequence[Example] = (),
) -> tuple[Weights, list[Iteration]]:
    """The CRF, now of BIOES tags, adapted to annotated sentences while some that it knows are rehearsed, and the log.

    Where a corpus annotates one label alone, the CRF's own reading stands for the other: an O says nothing of it.
    """
    known = adaptation.refined(learnt.with_tags(bio.TAGS, unseen_score=0.0))
    rows, known_rows = (
        [example_features(example, gazetteer, params.feature_groups) for example in examples]
        for examples in (annotated, rehearsed)
    )
    guesses = adaptation.best_tags(known, rows)
    tags = [bio.to_bioes(completed(example, guess)) for example, guess in zip(annotated, guesses, strict=True)]
    known_tags = [bio.to_bioes(example.tags) for example in rehearsed]
    settings = Settings(params.annotated_weight, params.c2, params.min_frequency, params.max_iterations)
    annotates = [example.annotates for example in annotated]
    after, steps = adaptation.adapt_pool(known, rows, tags, annotates, settings, (known_rows, known_tags))
    more = [Iteration(n, round(step.loss, 3), step.moved) for n, step in enumerate(steps, len(log) + 1)]
    return after, [*log, *more]


def completed(example: Example, guess: Sequence[str]) -> list[str]:
    """The example's tags, and of each label that it does not annotate the entities guessed where it has none.

    >>> completed(Example(["Gout", ",", "aspirin"], ["B-DISEASE", "O", "O"], annotates=("DISEASE",)),
    ...           ["B-TREATMENT", "O", "B-TREATMENT"])
    ['B-DISEASE', 'O', 'B-TREATMENT']
    """
    tags = list(example.tags)
    for first, past, label in bio.runs(guess):
        if label not in example.annotates and set(tags[first:past]) == {bio.OUTSIDE}:
            tags[first:past] = guess[first:past]
    return tags


def groups_for(examples: Iterable[Example], params: TrainParams) -> tuple[FeatureGroup, ...]:
    """The feature groups that a CRF is fitted with: without those of annotated notes if a synthetic one is there."""
    templates = any(example.source == SYNTHETIC for example in examples)
    return tuple(group for group in params.feature_groups if not (templates and group in OF_ANNOTATED))


def fit(examples: Sequence[Example], gazetteer: Gazetteer, params: TrainParams, out: Path) -> list[Iteration]:
    """Fit a CRF with L-BFGS and write the raw CRFsuite file `out`; returns the training log."""
    crf = sklearn_crfsuite.CRF(
        algorithm="lbfgs",
        c1=params.c1,
        c2=params.c2,
        max_iterations=params.max_iterations,
        min_freq=params.min_frequency,
        all_possible_transitions=True,
        model_filename=str(out),
    )
    groups = groups_for(examples, params)
    features = (example_features(example, gazetteer, groups) for example in examples)
    crf.fit(features, (example.tags for example in examples))
    log = crf.training_log_.iterations
    return [Iteration(int(row["num"]), round(row["loss"], 3), int(row["active_features"])) for row in log]


def fitted(examples: Sequence[Example], gazetteer: Gazetteer, params: TrainParams) -> Weights:
    """The weights of a CRF fitted to the sentences, and no file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fitted.crfsuite"
        fit(examples, gazetteer, params, path)
        return weights.from_crfsuite(path)


def entries(lexicon: pd.DataFrame) -> list[Entry]:
    """The rows of a LEXICON table."""
    return [Entry(*row) for row in lexicon[["term", "kind", "concept_id"]].itertuples(index=False)]


def training_metrics(out: Path, log: Sequence[Iteration]) -> dict[str, Any]:
    """The size of the model and where the optimiser ended; of a pool its last expert, after the iterations of all."""
    return {
        "iterations": log[-1].iteration,
        "loss": log[-1].loss,
        "active_features": log[-1].active_features,
        "megabytes": round(model.part(out, model.CRF).stat().st_size / 1e6, 2),
    }

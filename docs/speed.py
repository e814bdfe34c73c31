"""Measure how fast everything is on one core: raw text to entities and its parts, writing notes, training.

    python docs/speed.py                    the notes of data/notes, one text a call
    python docs/speed.py --texts FOLDER     also the *.txt files of FOLDER
    python docs/speed.py --training 0       without the training, which takes longest

A model that is adapted to annotated notes has BIOES tags, any other BIO tags: what the finer tags cost is told apart.
Figures are of processor time, so that what else the machine does weighs less: the best of the runs, and the median.
A rate of spaCy's NER stands beside them if spaCy is installed; that model has seen a few steps of training and no more,
so only its speed means anything, not its scores.
"""

from __future__ import annotations

import importlib.util
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from typer import Option

from clinical_ner.core import io, params
from clinical_ner.core.commands import run
from clinical_ner.core.schema import LEXICON, NOTES, TOKENS
from clinical_ner.core.span import LABELS
from clinical_ner.ner import bio, model, training
from clinical_ner.ner.adaptation import refined
from clinical_ner.ner.dataset import examples_of
from clinical_ner.ner.emissions import Emissions
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import Block, blocks
from clinical_ner.notes.charts import POPULATION, record_of
from clinical_ner.notes.tables import write_notes
from clinical_ner.notes.terms import lexis
from clinical_ner.population.catalogue import diseases
from clinical_ner.promotion import speed

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data"
MODEL = ROOT / "models/tagger.crfsuite"
IN_TURNS = 500  # texts that two taggers read
SPACY_STEPS, SPACY_BATCH, SPACY_TEXTS = 20, 64, 200


def main(
    texts: Annotated[Path | None, Option(help="A folder of *.txt files to read as well.")] = None,
    runs: Annotated[int, Option(min=1, help="How often each part is run.")] = 5,
    training_runs: Annotated[int, Option("--training", min=0, help="How often the training is run.")] = 1,
) -> None:
    """Print a line for every part."""
    notes: list[str] = io.read(NOTES, DATA / "notes")["text"].tolist()
    reading("notes", notes, runs)
    if texts:
        found = [path.read_text(encoding="utf-8") for path in sorted(texts.glob("*.txt"))]
        reading(texts.name, found, runs)
    if importlib.util.find_spec("spacy"):
        spacy_reading(notes[:SPACY_TEXTS], runs)
    else:
        print("spaCy is not installed: no figure of its NER")
    writing(runs)
    if training_runs:
        seconds = timed(train_once, training_runs)
        print(f"{'training':<44}{min(seconds):>12,.1f}{median(seconds):>12,.1f}  seconds")


def timed(work: Callable[[], Any], runs: int) -> list[float]:
    """Seconds of processor time of each run."""
    return [_seconds(work) for _ in range(runs)]


def _seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def show(name: str, amount: int, unit: str, seconds: Sequence[float]) -> None:
    """Print the best and the median rate."""
    print(f"{name:<44}{amount / min(seconds):>12,.0f}{amount / median(seconds):>12,.0f}  {unit} a second")


# --- reading ------------------------------------------------------------------------------------
def reading(name: str, texts: Sequence[str], runs: int) -> None:
    """Raw text to entities, one text a call: the first time, and when the words are known."""
    cut = [block for text in texts for block in blocks(text)]
    tokens = sum(len(block.words) for block in cut)
    tagger = Tagger.load(MODEL)
    show(f"{name}: text to entities, first time", tokens, "tokens", timed(partial(tag_all, tagger, texts), 1))
    whole = timed(partial(tag_all, tagger, texts), runs)
    tokenise = timed(partial(cut_all, texts), runs)
    emit = emissions()
    score_all(emit, cut)
    score = timed(partial(score_all, emit, cut), runs)
    rest = [all_of_it - min(tokenise) - min(score) for all_of_it in whole]
    show(f"{name}: text to entities", tokens, "tokens", whole)
    show(f"{name}:   tokens and sentences", tokens, "tokens", tokenise)
    show(f"{name}:   features, gazetteer and scores", tokens, "tokens", score)
    show(f"{name}:   decoding and probabilities", tokens, "tokens", rest)
    finer = tagger.reweighted(refined(tagger.weights.with_tags(bio.TAGS)), tagger.manifest.params)
    some = texts[:IN_TURNS]
    tag_all(finer, some)
    beside = speed.measure(finer, tagger, some, runs)
    print(f"{f'{name}: with BIOES tags, taking turns':<44}{beside.ratio:>12.2f}  of the speed, the median of the runs")


def tag_all(tagger: Tagger, texts: Sequence[str]) -> None:
    """Read each text by itself."""
    for text in texts:
        tagger.tag(text)


def cut_all(texts: Sequence[str]) -> None:
    """Tokenise and split each text."""
    for text in texts:
        list(blocks(text))


def score_all(emit: Emissions, cut: Sequence[Block]) -> None:
    """Score the tags of every token of each block; what a text abbreviates is left aside."""
    for block in cut:
        emit(block.words, block.bounds, {})


def emissions() -> Emissions:
    """The model's scores, with nothing remembered."""
    parts = model.read(MODEL)
    return Emissions(parts.weights, parts.gazetteer, parts.manifest.params.feature_groups)


# --- spaCy --------------------------------------------------------------------------------------
def spacy_reading(texts: Sequence[str], runs: int) -> None:
    """spaCy's NER for English from nothing, with our labels, after a few steps of training on our sentences."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    recogniser = nlp.add_pipe("ner")
    for label in LABELS:
        recogniser.add_label(label)
    optimizer = nlp.initialize()
    for batch in itertools.islice(batches(), SPACY_STEPS):
        gold = [Example.from_dict(nlp.make_doc(text), {"entities": spans}) for text, spans in batch]
        nlp.update(gold, sgd=optimizer)
    tokens = sum(len(nlp.make_doc(text)) for text in texts)
    seconds = timed(lambda: [nlp(text) for text in texts], runs)
    show("notes: spaCy's NER (its tokens)", tokens, "tokens", seconds)


def batches() -> Iterator[list[tuple[str, list[tuple[int, int, str]]]]]:
    """Sentences of the training data with their entities as (start, end, label)."""
    examples = iter(examples_of(io.read(TOKENS, DATA / "dataset")))
    while chosen := list(itertools.islice(examples, SPACY_BATCH)):
        yield [annotated(example.words, example.tags) for example in chosen]


def annotated(words: Sequence[str], tags: Sequence[str]) -> tuple[str, list[tuple[int, int, str]]]:
    """The words with single spaces between them, and where the entities are."""
    ends = list(itertools.accumulate(len(word) + 1 for word in words))
    spans = [(ends[first] - len(words[first]) - 1, ends[past - 1] - 1, label) for first, past, label in bio.runs(tags)]
    return " ".join(words), spans


# --- writing and training -------------------------------------------------------------------------
def writing(runs: int) -> None:
    """The stage `notes` without its files."""
    settings = params.load(ROOT / "params.yaml")
    record = record_of(*(io.read(table, DATA / "population") for table in POPULATION))
    words = lexis(io.read_vocabulary(DATA / "vocabulary"), diseases())
    write = partial(write_notes, record, words, settings.notes, settings.population.reference_date)
    show("writing notes", len(write().notes), "notes", timed(write, runs))


def train_once() -> None:
    """The stage `train` without its files."""
    section = params.load(ROOT / "params.yaml").train
    examples = examples_of(io.read(TOKENS, DATA / "dataset"))
    lexicon = training.entries(io.read(LEXICON, DATA / "dataset"))
    with tempfile.TemporaryDirectory() as folder:
        training.train(examples, lexicon, section, Path(folder) / "speed.crfsuite", {})


if __name__ == "__main__":
    run(main)

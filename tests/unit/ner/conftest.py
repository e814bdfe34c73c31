"""A tiny model, trained once on a few dozen sentences, and its ingredients."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import DISEASE, TREATMENT, Span
from clinical_ner.ner import model
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Entry, Example, prepare, train

DISEASES = ("asthma", "heart failure", "gout", "type 2 diabetes", "chronic kidney disease", "pneumonia")
DRUGS = ("aspirin", "insulin glargine", "metformin", "furosemide", "penicillin G", "albuterol")
SENTENCES = (
    "She has {d} and takes {t}.",
    "No {d} was found today.",
    "{t} was given for {d}!",
    "The patient slept well.",
)

HOSTILE = {
    "nothing": "",
    "white space": " \t\r\n\v\f\x1c\u00a0\u2003\u2028",
    "NUL": "\0asthma\0 \0 aspirin\0",
    "lone surrogates": "\ud800 asthma\udfff \udc00aspirin",
    "emoji": "😀asthma👩‍⚕️ 💊aspirin🇨🇭",
    "right to left": "\u202eשלום\u200f asthma \u2067مرحبا\u2069 aspirin\u200e",
    "zero width": "\ufeff\u200basthma\u200d\u2060 as\u00adpirin\u200c",
    "combining": "Cafe\u0301 asthma\u0308 ²³ İstanbul ǅ ß ﬁ",
    "only invisible": "\u200b\u200e\ufeff\u00ad",
    "control characters": "\x01asthma\x07\x1b[0m aspirin\x7f",
    "beyond Unicode's characters": "\uffff asthma \U0010ffff",
    "a line of a megabyte": "asthma and aspirin, " * 50_000,
    "a word of a megabyte": "a" * 1_000_000,
    "a number of a megabyte": "1," * 500_000,
    "a hundred thousand dots": "." * 100_000,
    "spaces of a megabyte": " " * 1_000_000,
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE)
def hostile_text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def annotated(number: int, template: str, disease: str, drug: str) -> Document:
    text = template.format(d=disease, t=drug)
    spans = [
        Span(text.index(name), text.index(name) + len(name), label)
        for name, label in ((disease, DISEASE), (drug, TREATMENT))
        if name in text
    ]
    return Document(f"d{number}", text, tuple(sorted(spans)), None)


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """Three dozen annotated sentences."""
    pairs = [(disease, DRUGS[(row + turn) % 6]) for turn in range(2) for row, disease in enumerate(DISEASES)]
    return [annotated(n, SENTENCES[n % 4], *pairs[n // 3]) for n in range(36)]


@pytest.fixture(scope="session")
def examples(documents: list[Document]) -> list[Example]:
    return prepare(documents).examples


@pytest.fixture(scope="session")
def lexicon() -> list[Entry]:
    rows = [(name, "disease", f"D{n}") for n, name in enumerate(DISEASES)]
    rows += [(name, "drug", f"NAME:{name}") for name in DRUGS]
    return [Entry(*row) for row in [*rows, ("creatinine", "substance", "OWN:creatinine")]]


@pytest.fixture(scope="session")
def train_params() -> TrainParams:
    return TrainParams(
        seed=1,
        c1=0.0,
        c2=0.1,
        max_iterations=25,
        min_frequency=0,
        annotated_weight=1.0,
        rehearsed_sentences=0,
        gazetteer_dropout=0.0,
        feature_groups=("word", "affix", "shape", "context", "cluster", "gazetteer", "abbreviation", "joint"),
    )


@pytest.fixture(scope="session")
def trained(
    examples: list[Example], lexicon: list[Entry], train_params: TrainParams, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny model; read only."""
    path = tmp_path_factory.mktemp("model") / "tiny.crfsuite"
    train(examples, lexicon, train_params, path, {"hand": "0" * 64})
    return path


@pytest.fixture(scope="session")
def tiny(trained: Path) -> Tagger:
    return Tagger.load(trained)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to damage."""
    for suffix in (*model.PARTS, model.MANIFEST):
        shutil.copyfile(model.part(trained, suffix), model.part(tmp_path / trained.name, suffix))
    return tmp_path / trained.name


@pytest.fixture(scope="session")
def content() -> Callable[[Path], dict[str, bytes]]:
    """What the files of a model, or everything else in its folder, hold."""
    return lambda path: {file.name: file.read_bytes() for file in sorted(path.parent.iterdir())}

"""The model on disk: a raw CRFsuite file, weights, gazetteer, known words, concepts, and a manifest that is checked.

The raw file is for users of CRFsuite, and holds the CRF as it was before it was adapted to annotated notes; the tagger
reads the weights, taken from it and then adapted. A truncated file would crash the process and a flipped byte load
silently, so nothing is opened before its SHA-256 has been compared with the manifest.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import marisa_trie
from pydantic import BaseModel, ConfigDict, ValidationError

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import sha256
from clinical_ner.core.params import TrainParams
from clinical_ner.ner import bio
from clinical_ner.ner.calibration import Beta
from clinical_ner.ner.concepts import Concepts
from clinical_ner.ner.features import FEATURE_VERSION
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.weights import Weights

CRF, WEIGHTS, MANIFEST = ".crfsuite", ".weights.npy", ".manifest.json"
GAZETTEER, WORDS, CONCEPTS = ".gazetteer.marisa", ".words.marisa", ".concepts.marisa"
PARTS = (CRF, WEIGHTS, GAZETTEER, WORDS, CONCEPTS)  # hashed in the manifest
REMEDY = "run 'dvc repro train' or 'dvc pull' to get it again"


class Manifest(BaseModel):
    """What a model is: the hashes of its files, how and on what it was trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1, 2]  # 2: its tags are BIOES, which programs that know 1 alone would misread
    feature_version: int
    labels: tuple[str, ...]
    params: TrainParams
    files: dict[str, str]  # suffix -> sha256
    data: dict[str, str]  # training input -> sha256
    sentences: int
    tokens: int
    calibration: dict[str, Beta]  # by label
    digest: str = ""  # of all the fields above

    def sealed(self) -> Manifest:
        """The manifest with the digest of its other fields."""
        content = self.model_dump_json(exclude={"digest"})
        return self.model_copy(update={"digest": hashlib.sha256(content.encode()).hexdigest()})

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with any file of the model, and with how sure it says to be."""
        files = "".join(self.files[suffix] for suffix in sorted(self.files))
        return hashlib.sha256((files + self.model_dump_json(include={"calibration"})).encode()).hexdigest()[:12]


def part(model: Path, suffix: str) -> Path:
    """The file beside MODEL.crfsuite with this suffix."""
    return model.with_name(model.name.removesuffix(CRF) + suffix)


class Model(NamedTuple):
    """What the tagger is made of."""

    manifest: Manifest
    weights: Weights
    gazetteer: Gazetteer
    words: marisa_trie.Trie
    concepts: Concepts


def read(model: Path) -> Model:
    """Open a model after checking every file of it.

    Raises:
        UserError: a file is missing, altered or truncated, or was made for other features.
    """
    manifest = read_manifest(model)
    for suffix, expected in manifest.files.items():
        path = part(model, suffix)
        if not path.is_file():
            raise UserError(f"{path} does not exist", REMEDY)
        if sha256(path) != expected:
            raise UserError(f"{path} is damaged or altered: its SHA-256 differs from {part(model, MANIFEST)}", REMEDY)
    words = marisa_trie.Trie()
    words.load(str(part(model, WORDS)))
    return Model(
        manifest,
        Weights.load(part(model, WEIGHTS)),
        Gazetteer.load(part(model, GAZETTEER)),
        words,
        Concepts.load(part(model, CONCEPTS)),
    )


def read_manifest(model: Path) -> Manifest:
    """Read and check the manifest of MODEL.crfsuite.

    Raises:
        UserError: it is missing or malformed, or the model was made for other features.
    """
    path = part(model, MANIFEST)
    if model.suffix != CRF:
        raise UserError(f"{model} is not named *{CRF}", f"name the {CRF} file; its manifest must lie beside it")
    if not path.is_file():
        raise UserError(f"{path} does not exist", REMEDY)
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole file"
        raise UserError(f"{path} is not a manifest: {place}: {error.errors()[0]['msg']}", REMEDY) from None
    if manifest.feature_version != FEATURE_VERSION:
        raise UserError(
            f"{path} was made for features of version {manifest.feature_version}, this is version {FEATURE_VERSION}",
            "train it again, or install the release it was made with",
        )
    if set(manifest.files) != set(PARTS):
        raise UserError(f"{path} does not name the files {', '.join(PARTS)}", REMEDY)
    if manifest != manifest.sealed():
        raise UserError(f"{path} is damaged or altered: its digest is not that of its content", REMEDY)
    return manifest


@contextmanager
def staged(model: Path) -> Iterator[Path]:
    """A temporary folder beside `model`; its files are moved into place only if all went well."""
    if model.suffix != CRF:
        raise UserError(f"{model} is not named *{CRF}", f"call it, for instance, {model.with_suffix(CRF)}")
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=model.parent, prefix=".training-")
    except OSError as error:
        raise UserError(f"{model} cannot be written: {error.strerror}", "name a folder you may write to") from None
    with scratch as folder:
        yield Path(folder) / model.name
        for suffix in (*PARTS, MANIFEST):  # the manifest last: until then the old one refuses new files
            part(Path(folder) / model.name, suffix).replace(part(model, suffix))


def write_manifest(
    model: Path,
    params: TrainParams,
    labels: tuple[str, ...],
    tags: Sequence[str],
    data: Mapping[str, str],
    *,
    sentences: int,
    tokens: int,
) -> Manifest:
    """Hash the files of MODEL.crfsuite and write the manifest beside them."""
    manifest = Manifest(
        format=2 if bio.are_bioes(tags) else 1,
        feature_version=FEATURE_VERSION,
        labels=labels,
        params=params,
        files={suffix: sha256(part(model, suffix)) for suffix in PARTS},
        data=dict(sorted(data.items())),
        sentences=sentences,
        tokens=tokens,
        calibration={},
    )
    return _write(model, manifest)


def calibrate(model: Path, curves: Mapping[str, Beta]) -> Manifest:
    """Write the calibration into the manifest of MODEL.crfsuite."""
    return _write(model, read_manifest(model).model_copy(update={"calibration": dict(curves)}))


def _write(model: Path, manifest: Manifest) -> Manifest:
    sealed = manifest.sealed()
    part(model, MANIFEST).write_text(sealed.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return sealed

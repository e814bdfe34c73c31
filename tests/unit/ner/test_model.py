"""A model is opened whole and unaltered, or not at all: CRFsuite itself would crash on what is refused here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clinical_ner.core.errors import UserError
from clinical_ner.core.files import sha256
from clinical_ner.core.params import TrainParams
from clinical_ner.core.span import LABELS
from clinical_ner.ner import model
from clinical_ner.ner.calibration import Beta
from clinical_ner.ner.features import FEATURE_VERSION
from clinical_ner.ner.model import CRF, MANIFEST, PARTS
from clinical_ner.ner.tagger import Tagger

EVERY_FILE = (*PARTS, MANIFEST)


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as error:
        Tagger.load(path)

    assert [word for word in words if word not in str(error.value)] == []


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = model.part(path, MANIFEST)
    content = json.loads(manifest.read_text(encoding="utf-8"))
    change(content)
    manifest.write_text(json.dumps(content), encoding="utf-8")


def test_a_copy_of_a_model_says_what_the_model_says(copied: Path, tiny: Tagger) -> None:
    assert Tagger.load(copied).tag("She has asthma.") == tiny.tag("She has asthma.") != []


def test_the_manifest_states_files_features_labels_and_training(trained: Path, train_params: TrainParams) -> None:
    manifest = model.read_manifest(trained)

    assert manifest.files == {suffix: sha256(model.part(trained, suffix)) for suffix in PARTS}
    assert (manifest.feature_version, manifest.labels, manifest.params) == (FEATURE_VERSION, LABELS, train_params)
    assert (manifest.sentences, manifest.data) == (36, {"hand": "0" * 64})
    assert manifest.tokens > manifest.sentences


def test_a_manifest_cannot_be_changed(tiny: Tagger) -> None:
    with pytest.raises(ValidationError):
        tiny.manifest.tokens = 1


@pytest.mark.parametrize("suffix", PARTS)
def test_the_version_changes_with_every_file_and_with_nothing_else(tiny: Tagger, suffix: str) -> None:
    manifest = tiny.manifest
    other = manifest.model_copy(update={"files": manifest.files | {suffix: "f" * 64}})

    assert len(manifest.version) == 12
    assert other.version != manifest.version
    assert manifest.model_copy(update={"sentences": 7}).version == manifest.version


def test_the_version_changes_with_the_calibration(tiny: Tagger) -> None:
    surer = tiny.manifest.model_copy(update={"calibration": {"DISEASE": Beta(2.0, 2.0, 0.0)}})

    assert surer.version != tiny.manifest.version


@pytest.mark.parametrize("suffix", EVERY_FILE)
def test_a_missing_file_is_named(copied: Path, suffix: str) -> None:
    model.part(copied, suffix).unlink()

    assert_refused(copied, f"{model.part(copied, suffix)} does not exist", "remedy: ")


@pytest.mark.parametrize("suffix", PARTS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 1.0])
def test_a_file_that_breaks_off_is_named(copied: Path, suffix: str, share: float) -> None:
    path = model.part(copied, suffix)
    content = path.read_bytes()
    path.write_bytes(content[: min(int(share * len(content)), len(content) - 1)])

    assert_refused(copied, f"{path} is damaged or altered", "remedy: ")


@pytest.mark.parametrize("suffix", PARTS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_file_with_a_flipped_bit_is_named(copied: Path, suffix: str, share: float) -> None:
    path = model.part(copied, suffix)
    content = bytearray(path.read_bytes())
    content[int(share * (len(content) - 1))] ^= 1
    path.write_bytes(content)

    assert_refused(copied, f"{path} is damaged or altered")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_manifest_that_breaks_off_is_named(copied: Path, share: float) -> None:
    path = model.part(copied, MANIFEST)
    content = path.read_bytes().rstrip()
    path.write_bytes(content[: int(share * len(content))])

    assert_refused(copied, f"{path} is not a manifest", "remedy: ")


def test_a_manifest_that_is_no_text_is_named(copied: Path) -> None:
    path = model.part(copied, MANIFEST)
    path.write_bytes(b"\xff\xfe\0" * 9)

    assert_refused(copied, f"{path} is not a manifest")


def test_a_model_for_other_features_is_refused(copied: Path) -> None:
    rewrite(copied, lambda content: content.update(feature_version=FEATURE_VERSION + 1))

    assert_refused(copied, MANIFEST, f"features of version {FEATURE_VERSION + 1}", f"this is version {FEATURE_VERSION}")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content.update(colour="red"), "colour: "),
        (lambda content: content["params"].update(c3=1), "params.c3: "),
        (lambda content: content["params"].pop("c1"), "params.c1: "),
        (lambda content: content.pop("files"), "files: "),
        (lambda content: content.update(format=3), "format: "),
        (lambda content: content.update(sentences="many"), "sentences: "),
    ],
)
def test_an_unknown_a_missing_or_a_wrong_key_of_the_manifest_is_named(
    copied: Path, change: Callable[[dict[str, Any]], object], place: str
) -> None:
    rewrite(copied, change)

    assert_refused(copied, str(model.part(copied, MANIFEST)), place)


@pytest.mark.parametrize(
    "change", [lambda content: content["files"].pop(CRF), lambda content: content["files"].update({"/../x": "0"})]
)
def test_a_manifest_must_name_the_files_of_a_model_and_no_others(
    copied: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(copied, change)

    assert_refused(copied, str(model.part(copied, MANIFEST)), "does not name the files", CRF)


def test_the_hash_of_another_file_does_not_open_a_model(copied: Path) -> None:
    manifest = model.read_manifest(copied)
    swapped = {**manifest.files, CRF: manifest.files[PARTS[1]]}
    resealed = manifest.model_copy(update={"files": swapped}).sealed()
    model.part(copied, MANIFEST).write_text(resealed.model_dump_json(), encoding="utf-8")

    assert_refused(copied, f"{copied} is damaged or altered")


@pytest.mark.parametrize("name", ["tiny", "tiny.manifest.json", "tiny.crfsuite.bak"])
def test_a_path_that_is_no_model_is_refused_by_its_name(copied: Path, name: str) -> None:
    assert_refused(copied.with_name(name), name, "is not named *.crfsuite")


def test_files_are_moved_into_place_only_if_all_went_well(copied: Path, content: Callable[..., Any]) -> None:
    before = content(copied)

    def interrupted() -> None:
        with model.staged(copied) as path:
            path.write_bytes(b"half a model")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert content(copied) == before


def test_a_model_is_not_written_under_another_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.bin is not named \*\.crfsuite"), model.staged(tmp_path / "model.bin"):
        pass


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["params"].update(feature_groups=["word"]),
        lambda content: content["params"].update(c2=0.5),
        lambda content: content.update(labels=["DISEASE"]),
        lambda content: content.update(sentences=1),
        lambda content: content.update(data={}),
        lambda content: content.pop("digest"),
    ],
)
def test_a_manifest_of_which_any_value_is_altered_is_refused(
    copied: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(copied, change)

    assert_refused(copied, model.part(copied, MANIFEST).name, "altered", "remedy")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match="cannot be written"), model.staged(tmp_path / "file" / "model.crfsuite"):
        pass

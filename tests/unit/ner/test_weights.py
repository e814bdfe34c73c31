"""The weights are those of CRFsuite's own file, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycrfsuite
import pytest

from clinical_ner.ner import bio, model, weights
from clinical_ner.ner.weights import IMPOSSIBLE, Weights


@pytest.fixture(scope="module")
def found(trained: Path) -> Weights:
    return weights.from_crfsuite(trained)


def test_every_weight_is_the_one_that_crfsuite_prints(found: Weights, trained: Path) -> None:
    tagger = pycrfsuite.Tagger()
    tagger.open(str(trained))

    info = tagger.info()

    assert {tag: str(number) for number, tag in enumerate(found.tags)} == info.labels
    assert {name: str(row) for name, row in found.attributes.items()} == info.attributes
    states = {
        (name, tag): found.states[row, found.tags.index(tag)]
        for name, row in found.attributes.items()
        for tag in found.tags
    }
    assert {key: value for key, value in states.items() if value} == pytest.approx(info.state_features, abs=1e-6)
    moves = {(a, b): found.transitions[i, j] for i, a in enumerate(found.tags) for j, b in enumerate(found.tags)}
    assert moves == pytest.approx(info.transitions, abs=1e-6)


def test_attributes_may_hold_any_character_that_a_feature_may(tmp_path: Path) -> None:
    names = ["w=:", "w=\\", "w=\n", "w= ", "w=é😀", 'w="', "w=\x1f"]
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.append([[name] for name in names], ["O", "B-DISEASE"] * 3 + ["O"])
    trainer.train(str(tmp_path / "m.crfsuite"))

    assert sorted(weights.from_crfsuite(tmp_path / "m.crfsuite").attributes) == sorted(names)


def test_weights_are_the_same_after_saving_and_loading(found: Weights, tmp_path: Path) -> None:
    found.save(tmp_path / "w.npy")

    loaded = Weights.load(tmp_path / "w.npy")

    assert loaded.tags == found.tags
    assert len(loaded.attributes) == len(found.attributes)
    assert np.array_equal(loaded.states[[loaded.attributes[name] for name in found.attributes]], found.states)
    assert np.array_equal(loaded.transitions, found.transitions)


def test_what_was_loaded_is_saved_with_each_name_at_its_weights(found: Weights, tmp_path: Path) -> None:
    found.save(tmp_path / "w.npy")
    Weights.load(tmp_path / "w.npy").save(tmp_path / "again.npy")

    once, again = Weights.load(tmp_path / "w.npy"), Weights.load(tmp_path / "again.npy")

    assert dict(once.attributes) == dict(again.attributes)
    assert np.array_equal(once.states, again.states)


def test_the_file_beside_a_model_holds_its_weights(found: Weights, trained: Path, tmp_path: Path) -> None:
    found.save(tmp_path / "w.npy")

    assert model.part(trained, model.WEIGHTS).read_bytes() == (tmp_path / "w.npy").read_bytes()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.crfsuite").write_bytes(bytes(100))

    with pytest.raises(ValueError, match="is not a linear-chain model"):
        weights.from_crfsuite(tmp_path / "m.crfsuite")


def test_a_tag_that_was_never_seen_is_added_as_impossible() -> None:
    known = Weights(("O", "B-DISEASE"), {"bias": 0, "w=x": 1}, np.ones((2, 2)), np.ones((2, 2)))

    every = known.with_tags(bio.TAGS)

    assert every.tags == ("O", "B-DISEASE", "I-DISEASE", "B-TREATMENT", "I-TREATMENT")
    assert every.states.tolist() == [[1, 1, *[IMPOSSIBLE] * 3], [1, 1, 0, 0, 0]]
    assert np.array_equal(every.transitions[:2, :2], known.transitions)


def test_a_tag_is_impossible_also_where_training_dropped_the_feature_of_every_token() -> None:
    known = Weights(("O",), {"w=x": 0}, np.ones((1, 1)), np.ones((1, 1)))

    every = known.with_tags(("O", "B-DISEASE"))

    assert every.attributes == {"w=x": 0, "bias": 1}
    assert every.states.tolist() == [[1, 0], [0, IMPOSSIBLE]]

"""The judgement of `clinical-ner promote` on the project's own test sets, fewer texts of them; needs `make repro`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.conftest import KNOBS
from typer.testing import CliRunner

from clinical_ner.cli import app
from clinical_ner.commands import release
from clinical_ner.core.params import TrainParams
from clinical_ner.ner.training import Example, train

ROOT = Path(__file__).parents[1]
TEXTS = 250


@pytest.fixture(scope="module")
def ignorant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has read one sentence."""
    path = tmp_path_factory.mktemp("ignorant") / "tagger.crfsuite"
    learnt = [Example(["She", "has", "asthma", "."], ["O", "O", "B-DISEASE", "O"])]
    train(learnt, [], TrainParams(**KNOBS, max_iterations=10, feature_groups=("word", "shape")), path, {})
    return path


@pytest.fixture
def fewer_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    true = release._synthetic

    def cut(*arguments: Any) -> list[Any]:
        return [replace(benchmark, documents=benchmark.documents[-TEXTS:]) for benchmark in true(*arguments)]

    monkeypatch.setattr(release, "_synthetic", cut)
    monkeypatch.chdir(ROOT)


def decided(challenger: Path, champion: Path, code: int, *more: str) -> dict[str, Any]:
    arguments = ["promote", str(challenger), "--dry-run", "--champion", str(champion), "--remote", "none", "--json"]
    done = CliRunner().invoke(app, [*arguments, *more])
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.usefixtures("fewer_texts")
def test_a_worse_challenger_is_refused_for_every_set_and_its_slices(model_path: Path, ignorant: Path) -> None:
    found = decided(ignorant, model_path, 1)

    assert found["gains"] == []
    named = {reason.partition(":")[0] for reason in found["reasons"]}
    assert {"held_out", "unseen_templates", "golden", "golden, label", "held_out, terms"} <= named
    assert set(found["sets"]) == {"held_out", "unseen_templates", "golden"}


@pytest.mark.usefixtures("fewer_texts")
def test_a_better_challenger_would_be_promoted_and_your_own_text_is_a_set_too(
    model_path: Path, ignorant: Path, tmp_path: Path
) -> None:
    own = [
        {"id": str(number), "text": "Gout.", "entities": [{"start": 0, "end": 4, "label": "DISEASE"}]}
        for number in range(40)
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(note) + "\n" for note in own))

    found = decided(model_path, ignorant, 0, "--corpus", str(tmp_path / "own.jsonl"), "--format", "jsonl")

    whole = found["sets"]["own.jsonl"]["slices"]["all"]
    assert (found["reasons"], found["sets"]["own.jsonl"]["documents"]) == ([], 40)
    assert (whole["challenger"], whole["champion"]) == (1.0, 0.0)
    assert found["sets"]["own.jsonl"]["new_terms"] == 1
    assert len({each["digest"] for each in found["sets"].values()}) == 4

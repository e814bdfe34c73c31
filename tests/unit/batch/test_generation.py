"""Notes of any number of people: the same bytes whoever else is there, and whoever works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from tests.unit.batch.conftest import content, read_table
from tests.unit.batch.running import HELD_AT, Dask, Popen, done, ended, held, kill_with_workers, launched, until_held
from tests.unit.notes.conftest import small_vocabulary

from clinical_ner import cli
from clinical_ner.batch.generation import Stretch, stretches, write_people, write_stretch_of_notes
from clinical_ner.batch.places import Place
from clinical_ner.core import io, params
from clinical_ner.core.errors import UserError
from clinical_ner.core.params import NotesParams, PopulationParams
from clinical_ner.core.schema import NOTES
from clinical_ner.population.sample import sample_population

PEOPLE = PopulationParams(seed=3, patients=7, reference_date=date(2024, 12, 31), years_of_records=2)
ROOT = Path(__file__).parents[3]
SHARDS = 8
# The command, with shards of four people: those of its own are of a thousand and more.
OF_FOUR = """
from clinical_ner.batch import generation
from clinical_ner.cli import main
from clinical_ner.population import writing
generation.PATIENTS_A_SHARD = writing.ROW_GROUP = 4
main()
"""
Generate = Callable[..., Popen]
KNOBS = NotesParams(seed=4, notes_per_patient=2, literature_texts=0, typo_rate=0.0, entity_typo_rate=0.0)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("vocabulary")
    for table, frame in zip(io.VOCABULARY, small_vocabulary(), strict=True):
        io.write(table, frame, folder)
    return str(folder)


def cut(out: Path, size: int, patients: int = 7) -> list[Stretch]:
    return stretches(PEOPLE.model_copy(update={"patients": patients}), Place(str(out)), size)


def test_every_patient_has_notes_once_and_the_entities_are_where_they_say(vocabulary: str, tmp_path: Path) -> None:
    ended = [
        write_stretch_of_notes(KNOBS, vocabulary, io.digests(io.VOCABULARY, Path(vocabulary)), people)
        for people in cut(tmp_path, 3)
    ]

    notes, entities = read_table(tmp_path, "notes"), read_table(tmp_path, "entities")
    assert [outcome.rows for outcome in ended] == [6, 6, 2]
    assert notes["patient_id"].value_counts().to_dict() == {f"P{n:07d}": 2 for n in range(7)}
    texts = entities["note_id"].map(notes.set_index("note_id")["text"])
    surfaces = [text[start:end] for text, start, end in zip(texts, entities["start"], entities["end"], strict=True)]
    assert all(surface == surface.strip() != "" for surface in surfaces)


def test_the_stage_and_the_command_write_the_same_notes_of_the_same_people(tmp_path: Path) -> None:
    settings, vocabulary = params.load(ROOT / "params.yaml"), ROOT / "data/vocabulary"
    knobs = settings.notes.model_copy(update={"literature_texts": 0})
    people = stretches(settings.population.model_copy(update={"patients": 4}), Place(str(tmp_path)), 4)[0]

    write_stretch_of_notes(knobs, str(vocabulary), io.digests(io.VOCABULARY, vocabulary), people)

    ours = read_table(tmp_path, "notes").set_index("note_id")["text"]
    stage = io.read(NOTES, ROOT / "data/notes").set_index("note_id")["text"]
    assert len(ours) == 4 * knobs.notes_per_patient
    assert ours.to_dict() == stage[ours.index].to_dict()


def test_the_first_shards_of_many_people_are_those_of_few(vocabulary: str, tmp_path: Path) -> None:
    for name, patients in (("few", 4), ("many", 6)):
        for people in cut(tmp_path / name, 2, patients):
            write_stretch_of_notes(KNOBS, vocabulary, io.digests(io.VOCABULARY, Path(vocabulary)), people)

    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    assert len(few) == 12
    assert {name: many[name] for name in few} == few


def test_people_in_parts_are_the_people_of_the_whole(tmp_path: Path) -> None:
    for people in cut(tmp_path, 3):
        write_people(people)

    whole = sample_population(PEOPLE)
    for table in ("patients", "conditions", "providers"):
        found = read_table(tmp_path, table)
        pd.testing.assert_frame_equal(found, getattr(whole, table), check_dtype=False, check_categorical=False)


def test_nobody_of_whom_there_is_nothing_to_say_stops_a_stretch(vocabulary: str, tmp_path: Path) -> None:
    (one,) = cut(tmp_path, 1, patients=1)
    few = KNOBS.model_copy(update={"notes_per_patient": 1})

    write_stretch_of_notes(few, vocabulary, io.digests(io.VOCABULARY, Path(vocabulary)), one)

    assert len(read_table(tmp_path, "notes")) == 1
    assert len(read_table(tmp_path, "relations")) == 0


def test_another_vocabulary_than_that_of_the_run_stops_it(vocabulary: str, tmp_path: Path) -> None:
    (one,) = cut(tmp_path, 1, patients=1)
    others = io.digests(io.VOCABULARY, Path(vocabulary)) | {"diseases.parquet": "0" * 64}

    with pytest.raises(UserError, match="is not the vocabulary that the run was begun with"):
        write_stretch_of_notes(KNOBS, vocabulary, others, one)

    assert content(tmp_path) == {}


# --- the commands -----------------------------------------------------------------------------------
@pytest.fixture(scope="module", params=["notes", "population"])
def generate(request: pytest.FixtureRequest, vocabulary: str) -> Generate:
    """`clinical-ner notes generate` or `clinical-ner population generate --parts`, of eight shards."""
    options = {"notes": ["--vocabulary", vocabulary], "population": ["--parts"]}[request.param]
    words = ["generate", "--size", str(4 * SHARDS), "--params", str(ROOT / "params.yaml"), *options]
    return lambda out, *more: launched(request.param, *words, str(out), *more, command=[sys.executable, "-c", OF_FOUR])


@pytest.fixture(scope="module")
def undisturbed(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, said, err = ended(generate(out, "--workers", "1"))
    assert code == 0, err
    assert f"in {SHARDS} shards" in said
    assert len(read_table(out, "notes" if (out / "notes").exists() else "patients")) >= 4 * SHARDS
    return content(out)


def test_generation_that_is_killed_is_continued(
    generate: Generate, undisturbed: dict[str, bytes], holder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with held(holder):
        process = generate(out, "--workers", "2")
        until_held(process, out)
        kill_with_workers(process)
    before = done(out)

    code, _, err = ended(generate(out, "--workers", "1"))

    assert HELD_AT <= before < SHARDS
    assert code == 0
    assert f"{before} of {SHARDS} shards are done" in err
    assert content(out) == undisturbed


def test_a_dask_cluster_generates_the_same_bytes(
    generate: Generate, undisturbed: dict[str, bytes], cluster: Dask, tmp_path: Path
) -> None:
    code, _, err = ended(generate(tmp_path / "out", "--scheduler", cluster.address))

    assert code == 0, err
    assert content(tmp_path / "out") == undisturbed


def test_a_cluster_makes_people_in_parts_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--scheduler is of --parts(.|\n)*remedy: add --parts"):
        cli.generate(str(tmp_path / "out"), scheduler="tcp://127.0.0.1:1")

    assert not (tmp_path / "out").exists()


def test_one_file_a_table_is_not_written_to_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UserError, match=r"^s3://bucket/out: one file a table(.|\n)*remedy: add --parts"):
        cli.generate("s3://bucket/out", params_file=ROOT / "params.yaml")

    assert content(tmp_path) == {}


def test_parts_replace_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--force is not of --parts"):
        cli.generate(str(tmp_path / "out"), parts=True, force=True)


def test_people_in_parts_are_written_to_the_place_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr("clinical_ner.commands.generation.carry_out", lambda run, *_: written.append(str(run.out)))

    cli.generate("memory://bucket/out", size=1, parts=True, params_file=ROOT / "params.yaml")

    assert written == ["memory://bucket/out"]

"""From feedback sent to the real service to a corpus that DVC tracks and the next training reads."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.killing import was_killed_after, was_killed_at
from tests.service.stored import count, eventually
from typer.testing import CliRunner

from clinical_ner.cli import app
from clinical_ner.core.errors import UserError
from clinical_ner.core.span import Span
from clinical_ner.corrections.acceptance import parted
from clinical_ner.corrections.records import known_by
from clinical_ner.corrections.review import read_reviewed
from clinical_ner.ner import annotated
from clinical_ner.ner.corpora import Format, read_corpus
from clinical_ner.serving import keys, local, store
from clinical_ner.serving.clock import now
from clinical_ner.serving.keys import Role

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"
ANY_ID = UUID(int=7)
MARK = "Quokkafieber"  # stands for what must not leave a note
AGREED = f"{MARK}, on aspirin."
DISPUTED = f"Severe {MARK} again."
GOLDEN = json.loads((ROOT / "tests/golden/notes.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["feedback", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "--show-text" in arguments or MARK not in done.output
    return done.output


def entity(text: str, words: str, label: str = "DISEASE") -> dict[str, Any]:
    start = text.index(words)
    return {"start": start, "end": start + len(words), "label": label}


class Ward:
    """Two people who read notes with the service and correct them."""

    def __init__(self, server: local.Server, secrets: list[str]) -> None:
        self._server, self._secrets = server, secrets

    def correct(self, who: int, text: str, *entities: dict[str, Any], keep: bool = True) -> None:
        headers = {"X-API-Key": self._secrets[who]}
        read = httpx.post(f"{self._server.url}/extract", json={"text": text}, headers=headers, timeout=30).json()
        said = {"prediction_id": read["prediction_id"], "spans": list(entities), **({"text": text} if keep else {})}
        httpx.post(f"{self._server.url}/feedback", json=said, headers=headers, timeout=30).raise_for_status()


@pytest.fixture
def ward(store_url: str, model_path: Path, tmp_path: Path) -> Iterator[Ward]:
    file, roles = tmp_path / "keys.json", [Role.EXTRACT, Role.FEEDBACK]
    secrets = [keys.create(file, name, roles, now())[1] for name in ("first", "second")]
    settings = {"MODEL": str(model_path), "KEYS": str(file), "STORE": store_url}
    named = {f"CLINICAL_NER_{name}": value for name, value in settings.items()}
    with local.running(SERVICE, ROOT, tmp_path / "home", **named) as server:
        yield Ward(server, secrets)


def test_corrections_of_the_page_become_a_corpus_that_the_next_training_reads(
    ward: Ward, store_url: str, tmp_path: Path
) -> None:
    for who in (0, 1):
        ward.correct(who, AGREED, entity(AGREED, MARK), entity(AGREED, "aspirin", "TREATMENT"))
    ward.correct(0, DISPUTED, entity(DISPUTED, f"Severe {MARK}"))
    ward.correct(1, DISPUTED, entity(DISPUTED, MARK))
    ward.correct(0, GOLDEN, entity(GOLDEN, "Atrial fibrillation"))
    ward.correct(0, "Gout.", entity("Gout.", "Gout"), keep=False)
    assert eventually(lambda: count(store_url, store.PREDICTIONS) == 6)  # they tell the model that was corrected
    out, data = tmp_path / "out", tmp_path / "annotated"
    data.mkdir()

    told = run("export", "--store", store_url, "--out", out)
    assert "5 corrections of 3 notes by 2 annotators" in told
    assert "1 without text" in told
    assert stat.S_IMODE((out / "feedback.jsonl").stat().st_mode) == 0o600

    told = run("review", out, "--out", out / "conflicts.jsonl")
    assert "1 single, 1 agreed, 0 majority, 0 decided, 1 unresolved" in told
    (asked,) = map(json.loads, (out / "conflicts.jsonl").read_text(encoding="utf-8").splitlines())
    (out / "conflicts.jsonl").write_text(json.dumps(asked | {"entities": [entity(DISPUTED, MARK)]}))
    assert "1 decided, 0 unresolved" in run("review", out, "--resolve", out / "conflicts.jsonl")
    assert f"'Severe {MARK}'" in run("review", out, "--resolve", out / "conflicts.jsonl", "--show-text")

    told = run("accept", out, "--name", "2026-03", "--annotated", data, "--golden", ROOT / "tests/golden")
    assert "2 notes with 2 DISEASE, 1 TREATMENT" in told
    assert "left out, frozen test note: 1" in told
    (joined,) = annotated.read_folder(data)
    assert {document.text: document.spans for document in joined.corpus.documents}[DISPUTED] == (
        Span(7, 7 + len(MARK), "DISEASE"),
    )
    provenance = json.loads((data / "2026-03/provenance.json").read_text())
    assert len(provenance["batches"][0]["annotators"]) == 2
    assert len(provenance["batches"][0]["model_versions"]) == 1
    assert MARK not in json.dumps(provenance)


# --- without a server: the store is filled by hand ----------------------------------------------
def stored(folder: Path, *texts: str) -> str:
    """The URL of a store with a correction of each text."""
    url = f"sqlite:///{folder / 'store.sqlite'}"
    store.migrate(url)
    opened = store.Store.open(url)
    for text in texts:
        spans = [entity(text, MARK), entity(text, "aspirin", "TREATMENT")]
        ids = {"prediction_id": ANY_ID, "feedback_id": uuid4(), "request_id": "r-1", "key_id": "key-1"}
        opened.add_feedback({**ids, "created_at": now(), "rating": None, "spans": spans, "text": text})
    opened.close()
    return url


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    """A folder with an export of one correction, reviewed."""
    url, out = stored(tmp_path, AGREED), tmp_path / "out"
    run("export", "--store", url, "--out", out)
    run("review", out)
    return out


def dvc(repository: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    quiet = os.environ | {"DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=repository, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


STAGE = """
stages:
  count:
    cmd: wc -l < data/annotated/2026-03/notes.jsonl > count.txt || echo none > count.txt
    deps: [data/annotated]
    outs: [count.txt]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of git and DVC with the folder of annotated notes as this one has it, and a stage that reads it."""
    made = tmp_path / "repository"
    (made / "data/annotated").mkdir(parents=True)
    for name in (".gitignore", "README.md"):
        (made / "data/annotated" / name).write_bytes((ROOT / "data/annotated" / name).read_bytes())
    (made / ".dvcignore").write_bytes((ROOT / ".dvcignore").read_bytes())
    (made / "dvc.yaml").write_text(STAGE)
    subprocess.run(["git", "init", "--quiet"], cwd=made, check=True)
    dvc(made, "init", "--quiet")
    dvc(made, "repro", "--quiet")
    return made


def test_dvc_tracks_an_accepted_corpus_with_its_provenance_and_repeats_the_stage_that_reads_it(
    reviewed: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    assert "up to date" in dvc(repository, "status")

    told = run("accept", reviewed, "--name", "2026-03", "--golden", ROOT / "tests/golden", "--dvc")

    assert "git add data/annotated/2026-03.dvc" in told
    assert "data/annotated" in dvc(repository, "status", "count")
    dvc(repository, "repro", "--quiet")
    assert (repository / "count.txt").read_text() == "1\n"
    subprocess.run(["git", "add", "."], check=True)
    listed = subprocess.run(["git", "ls-files", "data"], check=True, capture_output=True, text=True).stdout.split()
    assert listed == [f"data/annotated/{name}" for name in (".gitignore", "2026-03.dvc", "README.md")]
    subprocess.run(["rm", "-r", "data/annotated/2026-03"], check=True)
    dvc(repository, "checkout", "--quiet")
    assert sorted(path.name for path in Path("data/annotated/2026-03").iterdir()) == ["notes.jsonl", "provenance.json"]
    assert [place.path.name for place in annotated.corpora_in(Path("data/annotated"))] == ["notes.jsonl"]


def test_accepting_twice_is_the_same_bytes_and_another_name_gets_nothing(reviewed: Path, tmp_path: Path) -> None:
    data = tmp_path / "annotated"
    data.mkdir()
    accept = ("accept", reviewed, "--annotated", data, "--golden", ROOT / "tests/golden", "--name")
    run(*accept, "one")
    before = {path.name: path.read_bytes() for path in (data / "one").iterdir()}

    told = run(*accept, "one")
    with pytest.raises(UserError, match="in another corpus: 1"):
        run(*accept, "two")

    assert "accepted before" in told
    assert {path.name: path.read_bytes() for path in (data / "one").iterdir()} == before
    assert not (data / "two").exists()


def test_an_export_that_is_killed_at_any_moment_leaves_the_old_file_or_the_whole_new_one(tmp_path: Path) -> None:
    url, out = stored(tmp_path, *(f"{AGREED} {number}" for number in range(300))), tmp_path / "out"
    run("export", "--store", url, "--out", tmp_path / "whole")
    whole = (tmp_path / "whole/feedback.jsonl").read_bytes()
    killed = 0

    for milliseconds in (2, 5, 10, 20, 40, 80):
        killed += was_killed_after(milliseconds, lambda: run("export", "--store", url, "--out", out))
        assert not (out / "feedback.jsonl").exists() or (out / "feedback.jsonl").read_bytes() == whole
    run("export", "--store", url, "--out", out)

    assert killed >= 2
    assert (out / "feedback.jsonl").read_bytes() == whole
    assert sorted(path.name for path in out.iterdir()) == [".gitignore", ".lock", "feedback.jsonl"]


def test_what_is_held_back_is_never_learnt_from_even_if_accepted_again_without_the_option(tmp_path: Path) -> None:
    out, notes = tmp_path / "out", 40
    url = stored(tmp_path, *(f"{AGREED} {number}" for number in range(notes)))
    run("export", "--store", url, "--out", out)
    run("review", out)
    learnt, kept = tmp_path / "annotated", tmp_path / "held_back"
    for folder in (learnt, kept):
        folder.mkdir()
    accept = ("accept", out, "--annotated", learnt, "--held-back", kept, "--golden", ROOT / "tests/golden", "--name")

    run(*accept, "one", "--hold-back", "0.3")
    before = {path.name: path.read_bytes() for path in (kept / "one").iterdir()}
    run(*accept, "one", "--hold-back", "0.3")
    with pytest.raises(UserError, match=f"in another corpus: {notes}"):
        run(*accept, "two")

    texts = [
        {note["text"] for note in map(json.loads, (folder / "one/notes.jsonl").open())} for folder in (learnt, kept)
    ]
    told = json.loads((learnt / "one/provenance.json").read_text())["batches"][0]["left_out"]["held back"]
    assert (len(texts[0] | texts[1]), texts[0] & texts[1]) == (notes, set())
    assert len(texts[1]) == told
    assert 0 < told < notes / 2
    assert {path.name: path.read_bytes() for path in (kept / "one").iterdir()} == before


def test_accepting_again_after_a_kill_at_any_moment_ends_with_the_same_corpora(tmp_path: Path) -> None:
    out, url = tmp_path / "out", stored(tmp_path, *(f"{AGREED} {number}" for number in range(12)))
    run("export", "--store", url, "--out", out)
    run("review", out)
    names = ("annotated", "held_back")

    def begun(name: str) -> Path:
        for corpora in names:
            (tmp_path / name / corpora).mkdir(parents=True)
        return tmp_path / name

    def accept(place: Path) -> None:
        of = ("--golden", ROOT / "tests/golden", "--annotated", place / names[0], "--held-back", place / names[1])
        run("accept", out, "--name", "n", "--hold-back", "0.3", *of)

    def content(place: Path) -> dict[Path, bytes]:
        return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}

    whole = begun("whole")
    accept(whole)
    step = 1
    while was_killed_at(step, place := begun(f"killed-{step:03d}"), lambda place=place: accept(place)):
        accept(place)
        assert content(place) == content(whole)
        step += 1

    corpora = {corpora: read_corpus(whole / corpora / "n/notes.jsonl", Format.JSONL).documents for corpora in names}
    assert all(corpora.values())
    assert step > len(content(whole))


def test_a_corpus_that_dvc_tracks_and_nobody_pulled_stops_accepting(reviewed: Path, tmp_path: Path) -> None:
    data, kept = tmp_path / "annotated", tmp_path / "held_back"
    of = ("--golden", ROOT / "tests/golden", "--annotated", data, "--held-back", kept)
    for folder in (data, kept):
        folder.mkdir()
        (folder / "2026-02.dvc").write_text("outs: []")

        with pytest.raises(UserError, match=r"2026-02 is tracked by DVC and not here(?s:.*)dvc pull"):
            run("accept", reviewed, "--name", "2026-03", *of)

        assert {path.name for path in folder.iterdir()} == {"2026-02.dvc"}
        (folder / "2026-02.dvc").unlink()


def test_what_would_be_held_back_without_an_entity_is_left_out(tmp_path: Path) -> None:
    url, out = stored(tmp_path, *(f"{AGREED} {number}" for number in range(9))), tmp_path / "out"
    run("export", "--store", url, "--out", out)
    run("review", out)
    (lines,) = [(out / "reviewed.jsonl").read_text().splitlines()]
    sides = parted(read_reviewed(out / "reviewed.jsonl"), 0.3)
    without = {note.text for note in sides.held_back}
    written = [note | {"entities": []} if note["text"] in without else note for note in map(json.loads, lines)]
    (out / "reviewed.jsonl").write_text("".join(f"{json.dumps(note)}\n" for note in written))
    review = json.loads((out / "review.json").read_text())
    digest = hashlib.sha256((out / "reviewed.jsonl").read_bytes()).hexdigest()
    (out / "review.json").write_text(json.dumps(review | {"reviewed_sha256": digest}))
    of = ("--golden", ROOT / "tests/golden", "--annotated", tmp_path / "data", "--held-back", tmp_path / "kept")
    for folder in ("data", "kept"):
        (tmp_path / folder).mkdir()

    told = run("accept", out, "--name", "n", "--hold-back", "0.3", *of)

    assert without
    assert f"left out, held back: {len(without)}" in told
    assert not list((tmp_path / "kept").iterdir())


def test_corrections_that_came_after_the_review_have_to_be_reviewed(reviewed: Path, tmp_path: Path) -> None:
    (reviewed / "feedback.jsonl").write_text((reviewed / "feedback.jsonl").read_text().replace("key-1", "key-2"))

    with pytest.raises(UserError, match="is no review of"):
        run("accept", reviewed, "--name", "n", "--annotated", tmp_path, "--golden", ROOT / "tests/golden")


def test_a_review_that_was_killed_between_its_files_has_to_be_run_again(reviewed: Path, tmp_path: Path) -> None:
    accept = ("accept", reviewed, "--name", "n", "--annotated", tmp_path, "--golden", ROOT / "tests/golden")
    whole = (reviewed / "reviewed.jsonl").read_text()
    (reviewed / "reviewed.jsonl").write_text(whole * 2)

    with pytest.raises(UserError, match="is no review of"):
        run(*accept)
    run("review", reviewed)
    assert "1 notes with" in run(*accept)


def test_decisions_of_another_export_are_refused(reviewed: Path, tmp_path: Path) -> None:
    other = {"note": known_by("Gout"), "text": "Gout", "entities": []}
    (tmp_path / "decisions.jsonl").write_text(json.dumps(other))

    with pytest.raises(UserError, match="1 notes of another export"):
        run("review", reviewed, "--resolve", tmp_path / "decisions.jsonl")


def test_a_store_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no store"):
        run("export", "--store", f"sqlite:///{tmp_path / 'none.sqlite'}", "--out", tmp_path / "out")

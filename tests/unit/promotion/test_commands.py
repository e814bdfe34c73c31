"""The commands on a real project, with real git, DVC and GTO; only the judgement is given, as it takes a minute."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.promotion.conftest import DATA
from typer.testing import CliRunner, Result

from clinical_ner.cli import app
from clinical_ner.commands import release as commands
from clinical_ner.core.errors import UserError
from clinical_ner.ner.tagger import Tagger
from clinical_ner.promotion import registry, release
from clinical_ner.promotion.decision import Decision
from clinical_ner.serving.build import RELEASED
from clinical_ner.serving.endpoints import released_as

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"
FROZEN = ("--golden", str(GOLDEN))
Judge = Callable[[bool], list[Any]]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def promoted(*arguments: str) -> Result:
    return run("promote", *arguments)


def problem(done: Result) -> str:
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Let every challenger be judged so; the champions that it met, by their versions."""

    def install(is_promoted: bool) -> list[Any]:
        met: list[Any] = []

        def judged(tagger: Tagger, rival: Any, *_: Any) -> commands.Judged:
            met.append(rival and rival[0])
            sets = {"golden": {"slices": {"all": {"challenger": 0.9, "difference": None}}}}
            found = {"challenger": {"model_version": tagger.manifest.version}, "sets": sets, "promoted": is_promoted}
            return commands.Judged(Decision(is_promoted, (), () if is_promoted else ("worse",)), found, "### verdict")

        monkeypatch.setattr(commands, "_judge", judged)
        return met

    return install


def stages(project) -> dict[str, str]:
    events = registry.Registry.open(project.root, "origin").events()
    return {event.stage: event.version for event in events if event.stage}


def test_a_better_model_is_registered_assigned_and_pushed(project, judge: Judge) -> None:
    met = judge(True)

    done = promoted()

    assert done.exit_code == 0, done.output
    assert met == [None]
    assert stages(project) == {"dev": "v1.0.0", "prod": "v1.0.0"}
    assert project.remote_tags() == {"clinical-ner@v1.0.0", "clinical-ner#dev#1", "clinical-ner#prod#2"}


def test_a_challenger_meets_the_model_in_prod_as_the_remote_has_it(project, judge: Judge) -> None:
    met = judge(True)
    promoted()
    project.train("second")
    shutil.rmtree(project.root / ".dvc/cache")

    done = promoted()

    assert done.exit_code == 0, done.output
    assert met == [None, "v1.0.0"]
    assert stages(project) == {"dev": "v1.1.0", "prod": "v1.1.0"}


def test_a_worse_model_is_refused_with_exit_code_1_and_leaves_no_tag(project, judge: Judge, tmp_path: Path) -> None:
    judge(False)

    done = promoted("--report", str(tmp_path / "report"))

    assert done.exit_code == commands.REFUSED == 1
    assert project.remote_tags() == set()
    assert registry.Registry.open(project.root, "origin").events() == []
    assert json.loads((tmp_path / "report/decision.json").read_text())["promoted"] is False


def test_promoting_what_is_in_prod_again_does_nothing(project, judge: Judge) -> None:
    judge(True)
    promoted()
    tags = project.remote_tags()

    done = promoted()

    assert (done.exit_code, project.remote_tags()) == (0, tags)
    assert done.output == "v1.0.0 is this model, and in prod already\n"


@pytest.mark.parametrize("killed_at", ["register", "assign", "push", "second assign"])
def test_a_promotion_killed_at_any_step_can_be_run_again(project, judge: Judge, monkeypatch, killed_at: str) -> None:
    judge(True)
    method = killed_at.removeprefix("second ")
    true, calls = getattr(registry.Registry, method), iter(range(10))

    def killed(self, *arguments: Any) -> Any:
        if next(calls) == killed_at.startswith("second"):
            raise KeyboardInterrupt
        return true(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(registry.Registry, method, killed)
        assert promoted().exit_code != 0
    done = promoted()

    assert done.exit_code == 0, done.output
    assert stages(project) == {"dev": "v1.0.0", "prod": "v1.0.0"}
    assert project.remote_tags() == {"clinical-ner@v1.0.0", "clinical-ner#dev#1", "clinical-ner#prod#2"}


def test_dev_asks_for_the_floors_alone(project, judge: Judge) -> None:
    met = judge(True)
    promoted()
    project.train("second")

    done = promoted("--stage", "dev")

    assert done.exit_code == 0, done.output
    assert met == [None, None]
    assert stages(project) == {"dev": "v1.1.0", "prod": "v1.0.0"}


def test_a_dry_run_compares_any_model_with_any_and_registers_nothing(project, judge: Judge, models) -> None:
    met = judge(True)

    done = promoted(str(models["second"]), "--dry-run", "--champion", str(models["third"]))

    assert done.exit_code == 0, done.output
    assert met == [str(models["third"])]
    assert project.remote_tags() == set()


def write_notes(path: Path, *texts: str) -> str:
    """A corpus of notes that begin with a disease; its path."""
    notes = [{"id": text, "text": text, "entities": [{"start": 0, "end": 4, "label": "DISEASE"}]} for text in texts]
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(note) + "\n" for note in notes), encoding="utf-8")
    return str(path)


def test_what_was_held_back_judges_beside_every_corpus_that_is_named(project, monkeypatch, tmp_path: Path) -> None:
    met: list[dict[str, int]] = []

    def judged(_: Tagger, __: Any, corpora: dict[str, Any], *___: Any) -> commands.Judged:
        met.append({name: len(corpus.documents) for name, corpus in corpora.items()})
        return commands.Judged(Decision(True, (), ()), {}, "### verdict")

    monkeypatch.setattr(commands, "_judge", judged)
    more = write_notes(tmp_path / "ours/notes.jsonl", "Gout.")
    without = promoted("--dry-run")
    april = write_notes(project.root / "data/../data/held_back/2026-04/notes.jsonl", "Gout is better.")
    write_notes(project.root / "data/held_back/2026-05/notes.jsonl", "Gout, again.", "Gout went.")
    held_back = promoted("--dry-run")
    beside = promoted("--dry-run", "--corpus", more, "--format", "jsonl", "--corpus", april, "--format", "jsonl")

    kept = {"held_back/2026-04": 1, "held_back/2026-05": 2}
    assert [done.exit_code for done in (without, held_back, beside)] == [0, 0, 0], beside.output
    assert met == [{}, kept, kept | {"notes.jsonl": 1}]


def test_what_was_held_back_and_is_trained_on_all_the_same_stops_a_promotion(project) -> None:
    write_notes(project.root / "data/annotated/2026-05/notes.jsonl", "Gout went.")
    write_notes(project.root / "data/held_back/2026-05/notes.jsonl", "Gout, again.", "Gout went.")

    assert "held_back/2026-05: 1 of its 2 texts are trained on too" in problem(promoted("--dry-run", *FROZEN))


def test_a_golden_note_that_is_trained_on_stops_a_promotion(project) -> None:
    golden = json.loads((GOLDEN / "notes.jsonl").read_text("utf-8").splitlines()[0])["text"]
    write_notes(project.root / "data/annotated/ours/notes.jsonl", golden, "Gout.")

    assert "golden: 1 of its" in problem(promoted("--dry-run", *FROZEN))


def test_what_was_held_back_and_not_pulled_stops_a_promotion(project) -> None:
    (project.root / "data/held_back").mkdir(parents=True)
    (project.root / "data/held_back/2026-05.dvc").write_text("outs: []")

    assert "run 'dvc pull data/held_back/2026-05.dvc'" in problem(promoted("--dry-run"))


@pytest.mark.usefixtures("project")
def test_a_corpus_cannot_take_the_name_of_a_test_set_that_has_a_floor(tmp_path: Path) -> None:
    corpus = write_notes(tmp_path / "ours/golden", "Gout.")

    done = promoted("--dry-run", "--corpus", corpus, "--format", "jsonl")

    assert "'golden' is the name of another test set" in problem(done)


def test_a_changed_file_stops_a_promotion(project, judge: Judge) -> None:
    judge(True)
    (project.root / "dvc.yaml").write_text("changed: true\n")

    assert "dvc.yaml first" in problem(promoted())


def test_a_model_that_dvc_lock_does_not_name_stops_a_promotion(project, judge: Judge, models) -> None:
    judge(True)
    path = project.root / release.FILES[0]
    path.unlink()
    shutil.copyfile(models["second"], path)

    assert "is not the file that dvc.lock names" in problem(promoted())


@pytest.mark.parametrize("folder", DATA)
@pytest.mark.parametrize("with_cache", [True, False])
def test_test_data_that_dvc_lock_does_not_name_stops_a_promotion(
    project, judge: Judge, folder: str, with_cache: bool
) -> None:
    judge(True)
    rows = project.root / folder / "rows"
    if not with_cache:
        shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.root / folder)

    deleted = promoted()
    rows.parent.mkdir()
    rows.write_text("easier\n")
    changed = promoted()

    for refused in (deleted, changed):
        assert f"{folder} is not as this commit has it" in problem(refused)
    assert project.remote_tags() == set()
    assert promoted("--dry-run").exit_code == 0


def test_test_data_that_are_brought_back_let_a_promotion_go_on(project, judge: Judge) -> None:
    judge(True)
    shutil.rmtree(project.root / "data")
    shutil.rmtree(project.root / ".dvc/cache")

    project.git("restore", "data")
    project.dvc("pull", "--quiet")

    assert promoted().exit_code == 0


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("option", ["dataset", "vocabulary", "notes", "golden", "annotated", "held-back"])
def test_a_release_is_judged_by_the_pipelines_own_folders(judge: Judge, tmp_path: Path, option: str) -> None:
    judge(True)
    easier = tmp_path / "easier.yaml"
    shutil.copyfile("params.yaml", easier)
    assert "--params: a release is judged by params.yaml" in problem(promoted("--params", str(easier)))

    refused = promoted(f"--{option}", str(tmp_path))

    assert f"--{option}: a release is judged by" in problem(refused)
    assert promoted(f"--{option}", str(tmp_path), "--dry-run").exit_code == 0


def test_annotated_notes_of_two_files_that_are_committed_let_a_promotion_go_on(project, judge: Judge) -> None:
    judge(True)
    folder = project.root / "data/annotated"
    folder.mkdir()
    for part, line in (("sent", "Gout"), ("label", "D")):
        (folder / f"ours_{part}").write_text(f"{line}\n\n")
    project.dvc("add", "--quiet", *map(str, folder.glob("ours_*")))
    (folder / "README.md").write_text("Ours.\n")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "Take in")

    done = promoted()

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("kind", ["annotated", "held_back"])
def test_annotated_notes_that_are_not_as_committed_stop_a_promotion(project, judge: Judge, kind: str) -> None:
    judge(True)
    notes = Path(write_notes(project.root / f"data/{kind}/2026-05/notes.jsonl", "Gout, again."))
    untracked = promoted()
    project.dvc("add", "--quiet", str(notes.parent))
    uncommitted = promoted()
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "Take in")
    project.dvc("push", "--quiet")
    text = notes.read_text("utf-8")
    notes.unlink()
    notes.write_text(text * 2)
    changed = promoted()
    project.dvc("checkout", "--quiet", "--force")
    shutil.rmtree(project.root / ".dvc/cache")
    committed = promoted()

    for refused in (untracked, uncommitted, changed):
        assert f"data/{kind}/2026-05" in problem(refused)
        assert "is not as this commit has it" in problem(refused)
    assert committed.exit_code == 0, committed.output


@pytest.mark.usefixtures("project")
def test_a_model_that_lies_elsewhere_is_not_promoted(judge: Judge, models) -> None:
    judge(True)

    assert "is not the model of the pipeline" in problem(promoted(str(models["second"])))


def test_a_model_that_dvcs_remote_does_not_hold_stops_a_promotion(project, judge: Judge) -> None:
    judge(True)
    project.train("second", push=False)

    assert "not in DVC's remote" in problem(promoted())


def test_a_rollback_puts_the_earlier_version_back_and_no_further_than_the_first(project, judge: Judge) -> None:
    judge(True)
    promoted()
    project.train("second")
    promoted()

    first, second = run("rollback"), run("rollback")

    assert first.output.startswith("v1.0.0 is in prod instead of v1.1.0; pushed: clinical-ner#prod#")
    assert "no version was in prod before this one" in problem(second)
    assert stages(project) == {"dev": "v1.1.0", "prod": "v1.0.0"}


def test_a_rollback_killed_before_its_push_is_ended_by_the_next_and_goes_back_once(
    project, judge: Judge, monkeypatch
) -> None:
    judge(True)
    for name in ("first", "second", "third"):
        if name != "first":
            project.train(name)
        promoted()
    with monkeypatch.context() as patched:
        patched.setattr(registry.Registry, "push", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        run("rollback")

    done = run("rollback")

    assert done.output == "v1.1.0 is in prod; an earlier command had not pushed it, now it is\n"
    assert stages(project)["prod"] == "v1.1.0"
    assert registry.Registry.open(project.root, "origin").unpushed() == []


def test_a_promotion_killed_before_its_push_is_taken_back_and_not_ended(project, judge: Judge, monkeypatch) -> None:
    judge(True)
    promoted()
    project.train("second")
    with monkeypatch.context() as patched:
        patched.setattr(registry.Registry, "push", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        promoted()

    done = run("rollback")

    assert done.output.startswith("v1.0.0 is in prod instead of v1.1.0; pushed: ")
    assert stages(project)["prod"] == "v1.0.0"
    assert registry.Registry.open(project.root, "origin").unpushed() == []


def test_what_was_taken_back_is_not_promoted_again_but_can_be_put_back(project, judge: Judge) -> None:
    judge(True)
    promoted()
    project.train("second")
    promoted()
    run("rollback")

    again = promoted()

    assert "v1.1.0 was in prod and was taken back" in problem(again)
    assert stages(project)["prod"] == "v1.0.0"
    assert run("rollback", "--to", "v1.1.0").exit_code == 0
    assert "v1.1.0 is this model, and in prod already" in promoted().output


def test_tags_that_somebody_else_pushed_first_are_named_with_a_remedy(
    project, judge: Judge, monkeypatch, tmp_path: Path
) -> None:
    judge(True)
    registry.git(tmp_path, "clone", "--quiet", str(project.root / "../origin.git"), "other")
    with monkeypatch.context() as patched:
        patched.setattr(registry.Registry, "push", lambda _: [])
        promoted()
    settings = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    registry.git(tmp_path / "other", *settings, "tag", "--annotate", "--message", "theirs", "clinical-ner@v1.0.0")
    registry.git(tmp_path / "other", "push", "--quiet", "origin", "clinical-ner@v1.0.0")

    assert "somebody else promoted first" in problem(promoted())


def test_a_rollback_to_a_version_is_done_once(project, judge: Judge) -> None:
    judge(True)
    promoted()
    project.train("second")
    promoted()

    run("rollback", "--to", "v1.0.0")
    tags = project.remote_tags()
    again = run("rollback", "--to", "v1.0.0")

    assert again.output == "v1.0.0 is in prod already\n"
    assert project.remote_tags() == tags


@pytest.mark.usefixtures("project")
def test_a_rollback_to_what_never_was_is_refused(judge: Judge) -> None:
    judge(True)
    promoted()

    assert "there is no version v9.0.0" in problem(run("rollback", "--to", "v9.0.0"))


def test_the_versions_are_listed_with_stages_and_figures(project, judge: Judge) -> None:
    judge(True)
    promoted()
    project.train("second")
    promoted("--stage", "dev")

    rows = json.loads(run("versions", "--json").output)

    assert [(row["version"], row["stages"], row["f1"]) for row in rows] == [
        ("v1.1.0", ["dev"], {"golden": 0.9}),
        ("v1.0.0", ["prod"], {"golden": 0.9}),
    ]
    assert run("versions").output.splitlines()[1].startswith("v1.1.0    dev")


def test_what_is_fetched_is_the_model_of_the_stage_with_its_version(project, judge: Judge, models, tmp_path) -> None:
    judge(True)
    promoted()
    project.train("second")
    promoted("--stage", "dev")
    shutil.rmtree(project.root / ".dvc/cache")

    done = run("fetch", "--stage", "prod", "--out", str(tmp_path / "out"))

    fetched = Tagger.load(tmp_path / "out/tagger.crfsuite")
    said = json.loads((tmp_path / "out/version.json").read_text())
    assert done.exit_code == 0, done.output
    assert fetched.manifest == Tagger.load(models["first"]).manifest
    assert (said["version"], said["model_version"]) == ("v1.0.0", fetched.manifest.version)
    assert (tmp_path / "out/evaluate.json").is_file()
    # What the service and the Bento look for beside the model.
    assert released_as(tmp_path / "out/tagger.crfsuite", fetched.manifest.version) == "v1.0.0"
    assert {path.name for path in RELEASED} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_fetch_that_fails_leaves_nothing_behind(project, judge: Judge, tmp_path) -> None:
    judge(True)
    promoted()
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.root / "../storage")

    done = run("fetch", "--out", str(tmp_path / "out"))

    assert "cannot be fetched" in problem(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("project")
def test_a_fetched_file_that_is_not_as_the_manifest_says_is_refused(judge: Judge, tmp_path, monkeypatch) -> None:
    judge(True)
    promoted()
    true = release.download

    def damaged(repository: str, commit: str, names: tuple[str, ...], folder: Path) -> None:
        true(repository, commit, names, folder)
        (folder / "tagger.weights.npy").write_bytes(b"")

    monkeypatch.setattr(release, "download", damaged)

    assert "is damaged" in problem(run("fetch", "--out", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_dvcs_own_command_gets_the_model_of_a_stage(project, judge: Judge, tmp_path) -> None:
    judge(True)
    promoted()

    project.dvc("artifacts", "get", ".", "clinical-ner", "--stage", "prod", "--out", str(tmp_path / "out"))

    assert Tagger.load(tmp_path / "out/tagger.crfsuite").manifest == Tagger.load(project.root / release.MODEL).manifest

"""All stages on a few dozen patients through the real `dvc repro`, in a repository of its own: twice, same bytes."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.repositories import ROOT, commit, copy_of_sources, outcome, run, set_params, start

from clinical_ner.core.errors import EXIT_CODE, UserError
from clinical_ner.core.io import read
from clinical_ner.core.schema import NOTES, PATIENTS, PROFILES

SOURCES = (
    *(
        ".dvc",
        ".dvcignore",
        ".gitignore",
        "data/annotated",
        "dvc.yaml",
        "params.yaml",
        "pipelines",
        "src",
        "tests/golden",
    ),
)
BUILT = ("data", "models", "metrics", "plots", "reports")
STAGES = ("vocabulary", "population", "quality", "risk", "notes", "dataset", "train", "evaluate", "drift")
BEFORE_TRAINING = STAGES[: STAGES.index("train")]
SMALL: dict[str, dict[str, Any]] = {
    "vocabulary": {"max_words": 2},
    "population": {"patients": 40},
    "quality": {"people": 3000, "halvings": 1},
    "risk": {"people": 2500, "folds": 2, "trees": 3},
    "notes": {"notes_per_patient": 2, "literature_texts": 60},
    "train": {"max_iterations": 15, "feature_groups": ["word", "gazetteer"]},
    "evaluate": {"ablation_iterations": 4, "ablation_sentences": 100, "sample_texts": 5},
    "drift": {"reference_patients": 20, "windows": [5, 20], "resamples": 40, "splits": 4},
}
UNLIKE = {  # what may differ between two machines and must not matter
    "first": {"PYTHONHASHSEED": "0", "TZ": "UTC"},
    "second": {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "CLINICAL_NER_WORKERS": "2"},
}


# --- a repository of its own ---------------------------------------------------------------------
def small_repository(folder: Path) -> Path:
    """The sources as they are now with the small parameters; nothing built, nothing cached, an empty remote."""
    repository = copy_of_sources(folder / "repository", *SOURCES)
    set_params(repository, SMALL)
    return repository


def contents(repository: Path, *folders: str) -> dict[str, bytes]:
    """What DVC and git keep of the results: the bytes of every file by its name."""
    files = (path for folder in folders for path in (repository / folder).rglob("*") if path.is_file())
    return {path.relative_to(repository).as_posix(): path.read_bytes() for path in sorted(files)}


def unlike(first: dict[str, bytes], second: dict[str, bytes]) -> list[str]:
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def declared(repository: Path, kind: str) -> dict[str, dict[str, Any]]:
    """The outs, metrics or plots of all stages: path to settings."""
    stages = yaml.safe_load((repository / "dvc.yaml").read_text("utf-8"))["stages"]
    entries = [entry for stage in stages.values() for entry in stage.get(kind, [])]
    return {path: settings for e in entries for path, settings in (e if isinstance(e, dict) else {e: {}}).items()}


def stages_run(printed: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)'", printed, re.MULTILINE)


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same sources built from nothing in two places, under all that must not matter; read only."""
    first = small_repository(tmp_path_factory.mktemp("first"))
    second = tmp_path_factory.mktemp("second") / "in" / "another" / "place"
    shutil.copytree(first, second)
    repositories = dict(zip(UNLIKE, (first, second), strict=True))
    builds = [start(where, "dvc", "repro", "--force", **UNLIKE[name]) for name, where in repositories.items()]
    for printed, build in [(build.communicate(), build) for build in builds]:
        assert build.returncode == 0, "".join(printed)
        assert sorted(stages_run(printed[0])) == sorted(STAGES)
    commit(first)
    return first, second


@pytest.fixture(scope="session")
def built(twins: tuple[Path, Path]) -> Path:
    """A small repository with all its results, committed; read only."""
    return twins[0]


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(built, tmp_path / "repository"))


@pytest.fixture(scope="session")
def retrained(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy after `dvc repro` with fewer iterations, and what that printed."""
    repository = Path(shutil.copytree(built, tmp_path_factory.mktemp("retrained") / "repository"))
    set_params(repository, {"train": {"max_iterations": 9}})
    return repository, run(repository, "dvc", "repro")


# --- the same bytes ------------------------------------------------------------------------------
def test_two_builds_from_nothing_in_two_places_have_the_same_lock(twins: tuple[Path, Path]) -> None:
    first, second = (repository / "dvc.lock" for repository in twins)

    assert first.read_text("utf-8").splitlines() == second.read_text("utf-8").splitlines()
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("folder", BUILT)
def test_two_builds_from_nothing_have_the_same_files(twins: tuple[Path, Path], folder: str) -> None:
    first, second = (contents(repository, folder) for repository in twins)

    assert first
    assert unlike(first, second) == []


@pytest.mark.parametrize("kind", ["outs", "metrics", "plots"])
def test_everything_that_a_stage_declares_is_there_and_holds_something(built: Path, kind: str) -> None:
    files = contents(built, *BUILT)

    for name in declared(built, kind):
        assert any(content for path, content in files.items() if path == name or path.startswith(f"{name}/")), name


def test_nothing_is_built_that_no_stage_declares(built: Path) -> None:
    known = [name for kind in ("outs", "metrics", "plots") for name in declared(built, kind)]
    known.append("data/annotated/README.md")  # of git

    files = [name for name in contents(built, *BUILT) if not name.endswith(".gitignore")]

    assert [name for name in files if not any(name == k or name.startswith(f"{k}/") for k in known)] == []


def test_the_tables_are_as_large_as_the_parameters_say(built: Path) -> None:
    patients, notes = read(PATIENTS, built / "data/population"), read(NOTES, built / "data/notes")
    profiles, figures = read(PROFILES, built / "data/drift"), json.loads((built / "metrics/drift.json").read_bytes())

    assert len(patients) == SMALL["population"]["patients"]
    assert notes["patient_id"].value_counts().to_dict() == dict.fromkeys(patients["patient_id"], 2)
    assert notes["patient_id"].isna().sum() == SMALL["notes"]["literature_texts"]
    assert figures["drift"]["notes_current"] == len(profiles)
    assert figures["drift"]["notes_reference"] == 2 * SMALL["drift"]["reference_patients"]


def test_the_figures_hold_no_text_of_a_note_and_no_place_on_this_machine(built: Path) -> None:
    texts = read(NOTES, built / "data/notes")["text"]
    lines = {line for text in texts for line in text.splitlines() if len(line) > 40}

    for name, content in contents(built, "metrics", "plots", "reports", "models").items():
        written = content.decode("utf-8", "ignore")
        assert not any(line in written for line in lines), name
        assert str(built) not in written, name


# --- only what changed runs again ----------------------------------------------------------------
def test_a_second_repro_has_nothing_to_do(built: Path) -> None:
    before = (built / "dvc.lock").read_bytes()

    printed = run(built, "dvc", "repro")

    assert printed.endswith("Data and pipelines are up to date.\n")
    assert stages_run(printed) == []
    assert (built / "dvc.lock").read_bytes() == before


def test_a_change_of_the_training_reruns_the_stages_from_train_on_and_none_before(
    built: Path, retrained: tuple[Path, str]
) -> None:
    repository, printed = retrained

    changed = unlike(contents(built, *BUILT), contents(repository, *BUILT))

    assert stages_run(printed) == ["train", "evaluate", "drift"]
    assert [stage for stage in STAGES if f"Stage '{stage}' didn't change, skipping" in printed] == list(BEFORE_TRAINING)
    assert {name.split("/")[-1].split(".")[0] for name in changed} >= {"tagger", "train", "training", "evaluate"}
    assert not [name for name in changed if name.startswith(tuple(f"data/{stage}/" for stage in BEFORE_TRAINING))]


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"population": {"reference_date": "2024-12-30"}}, ["population", "quality", "risk", "notes", "drift"]),
        ({"population": {"patients": 41}}, ["population", "drift"]),
        ({"quality": {"odds_factor": 1.5}}, ["quality"]),
        ({"risk": {"trees": 4}}, ["risk"]),
        ({"train": {"c1": 0.1}}, ["train", "evaluate"]),
        ({"drift": {"watch_false_alarms": 0.05}}, ["drift"]),
    ],
    ids=str,
)
def test_a_change_of_a_parameter_is_seen_by_the_stages_that_read_it(
    copied: Path, changes: dict[str, dict[str, Any]], stages: list[str]
) -> None:
    set_params(copied, changes)

    assert set(json.loads(run(copied, "dvc", "status", "--json"))) == set(stages)


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("src/clinical_ner/core/span.py", set(STAGES)),
        ("src/clinical_ner/notes/resources/prose.yaml", {"notes", "drift"}),
        ("src/clinical_ner/ner/tokenize.py", {"dataset", "train", "evaluate", "drift"}),
        ("src/clinical_ner/monitoring/profiles.py", {"drift"}),
        ("src/clinical_ner/vocabulary/resources/SOURCES.md", set()),
        ("src/clinical_ner/cli.py", set()),
    ],
)
def test_a_change_of_a_source_is_seen_by_the_stages_that_use_it(copied: Path, name: str, stages: set[str]) -> None:
    with (copied / name).open("a", encoding="utf-8") as file:
        file.write("# a remark\n")

    assert set(json.loads(run(copied, "dvc", "status", "--json"))) == stages


# --- annotated notes join in -----------------------------------------------------------------------
def annotated_folder(repository: Path, annotation: str) -> Path:
    """A brat corpus of one sentence in `data/annotated`."""
    folder = repository / "data/annotated/mine"
    folder.mkdir()
    (folder / "a.txt").write_text("Gout again.", "utf-8")
    (folder / "a.ann").write_text(annotation, "utf-8")
    return folder


def test_annotated_notes_are_seen_and_counted_and_git_never_sees_their_text(copied: Path) -> None:
    annotated_folder(copied, "T1\tDisease 0 4\tGout\n")

    printed = run(copied, "dvc", "repro", "dataset")

    assert stages_run(printed) == ["dataset"]
    assert json.loads((copied / "metrics/dataset.json").read_bytes())["annotated"]["sentences"] == 1
    assert "annotated" not in run(copied, "git", "status", "--short", "--untracked-files=all")


def test_annotated_notes_that_dvc_tracks_are_seen_too_and_a_clone_without_them_is_told(
    copied: Path, tmp_path: Path
) -> None:
    folder = annotated_folder(copied, "T1\tDisease 0 4\tGout\n")
    run(copied, "dvc", "add", "--quiet", "data/annotated/mine")
    run(copied, "dvc", "repro", "dataset")
    commit(copied)
    (folder / "b.txt").write_text("Gout.", "utf-8")
    (folder / "b.ann").write_text("T1\tDisease 0 4\tGout\n", "utf-8")

    printed = run(copied, "dvc", "repro", "dataset")
    run(copied, "git", "clone", "--quiet", str(copied), str(tmp_path / "clone"))
    code, _, err = outcome(tmp_path / "clone", "dvc", "repro", "dataset")

    assert stages_run(printed) == ["dataset"]
    assert json.loads((copied / "metrics/dataset.json").read_bytes())["annotated"]["documents"] == 2
    assert code != 0
    assert "data/annotated/mine" in err


def test_malformed_annotated_notes_stop_the_stage_with_file_and_line(copied: Path) -> None:
    annotated_folder(copied, "T1\tDisease 0 4\tGout\nT2\tDisease 5\n")

    code, _, err = outcome(copied, "dvc", "repro", "dataset")

    assert code != 0
    assert "data/annotated/mine/a.ann:2: malformed T line" in err
    assert f"exited with {EXIT_CODE}" in err


# --- what dvc shows ------------------------------------------------------------------------------
def test_metrics_show_prints_every_declared_metric_as_it_is_in_its_file(built: Path) -> None:
    shown = json.loads(run(built, "dvc", "metrics", "show", "--json"))[""]["data"]

    assert shown.keys() == declared(built, "metrics").keys()
    for name, content in shown.items():
        assert content["data"] == json.loads((built / name).read_bytes())


def test_metrics_diff_prints_the_figures_that_a_change_of_the_training_moved(retrained: tuple[Path, str]) -> None:
    diff = json.loads(run(retrained[0], "dvc", "metrics", "diff", "--json", "HEAD"))

    assert diff["metrics/train.json"]["iterations"] == {"old": 15, "new": 9, "diff": -6}
    assert diff["metrics/train.json"]["loss"]["diff"] > 0
    assert diff.keys() <= {"metrics/train.json", "metrics/evaluate.json", "metrics/drift.json"}


def test_plots_show_draws_every_declared_plot_from_its_file(built: Path) -> None:
    plots = declared(built, "plots")

    shown = json.loads(run(built, "dvc", "plots", "show", "--json"))

    assert shown.keys() == {"data"}  # and no errors
    assert shown["data"].keys() == plots.keys()
    for name, settings in plots.items():
        (plot,) = shown["data"][name]
        rows = plot["content"]["data"]["values"]
        assert plot["content"]["title"]["text"] == settings["title"]
        assert len(rows) == len((built / name).read_text("utf-8").splitlines()) - 1 > 0
        assert all({settings["x"], settings["y"]} <= row.keys() for row in rows)


def test_plots_show_writes_a_page(built: Path, tmp_path: Path) -> None:
    run(built, "dvc", "plots", "show", "--out", str(tmp_path / "page"))

    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert [name for name, plot in declared(built, "plots").items() if plot["title"] not in page] == []


# --- mistakes ------------------------------------------------------------------------------------
MISTAKES = [
    ("train", "max_iterations", "max_iteratons"),
    ("drift", "resamples", "resampels"),
    ("population", "patients", "pats"),
]


def misspell(path: Path, right: str, wrong: str) -> None:
    path.write_text(re.sub(rf"^  {right}:", f"  {wrong}:", path.read_text("utf-8"), flags=re.MULTILINE), "utf-8")


@pytest.mark.parametrize(("section", "right", "wrong"), MISTAKES)
def test_a_misspelt_parameter_of_any_stage_stops_the_first_one_before_it_has_done_anything(
    tmp_path: Path, section: str, right: str, wrong: str
) -> None:
    repository = small_repository(tmp_path)
    misspell(repository / "params.yaml", right, wrong)

    code, out, err = outcome(repository, "dvc", "repro")

    assert code != 0
    assert f"{section}.{wrong}: unknown parameter; did you mean '{right}'?" in err
    assert f"exited with {EXIT_CODE}" in err
    assert "Traceback" not in err
    assert stages_run(out) == ["vocabulary"]
    assert not [name for name in contents(repository, *BUILT) if not name.startswith("data/annotated/")]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_checks_the_parameters_before_it_reads_its_inputs(stage: str, tmp_path: Path) -> None:
    mistaken = tmp_path / "params.yaml"
    shutil.copyfile(ROOT / "params.yaml", mistaken)
    misspell(mistaken, "max_iterations", "max_iteratons")
    main: Callable[..., None] = runpy.run_path(str(ROOT / f"pipelines/{stage}.py"))["main"]
    names = inspect.signature(main).parameters
    missing = dict.fromkeys(names, tmp_path / "missing")

    with pytest.raises(UserError, match=r"train\.max_iteratons: unknown parameter; did you mean"):
        main(**missing | {"params_file" if "params_file" in names else "params": mistaken})

    assert not (tmp_path / "missing").exists()


# --- clones --------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def pushed(built: Path) -> Path:
    """The small repository after `dvc push` to the folder that its configuration names."""
    run(built, "dvc", "push")
    return built


@pytest.fixture
def clone(pushed: Path, tmp_path: Path) -> Path:
    """A fresh clone with the same remote beside it, a copy: git's files alone."""
    run(pushed, "git", "clone", "--quiet", str(pushed), str(tmp_path / "clone"))
    shutil.copytree(pushed.parent / "dvc-storage", tmp_path / "dvc-storage")
    return tmp_path / "clone"


def test_a_clone_knows_without_any_data_that_the_lock_is_true(clone: Path) -> None:
    assert not list(clone.glob("data/*/*.parquet"))

    assert "Data and pipelines are up to date." in run(clone, "dvc", "repro", "--allow-missing", "--dry")


def test_a_pull_in_a_fresh_clone_gives_every_file_back(clone: Path, pushed: Path) -> None:
    run(clone, "dvc", "pull")

    assert unlike(contents(clone, *BUILT), contents(pushed, *BUILT)) == []
    assert stages_run(run(clone, "dvc", "repro")) == []


def test_a_damaged_file_of_the_remote_is_refused(clone: Path) -> None:
    outs = yaml.safe_load((clone / "dvc.lock").read_text("utf-8"))["stages"]["train"]["outs"]
    model = next(out for out in outs if out["path"].endswith(".crfsuite"))
    stored = clone.parent / "dvc-storage/files/md5" / model["md5"][:2] / model["md5"][2:]
    content = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    stored.chmod(0o444)  # as DVC left it: what can be written to is always checked

    code, _, _ = outcome(clone, "dvc", "pull")

    assert code != 0
    assert not (clone / model["path"]).exists()

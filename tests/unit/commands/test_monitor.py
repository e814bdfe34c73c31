"""The commands over a real store: what they write, how they end, and what they refuse."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
import pytest
import yaml
from click.testing import Result
from tests.killing import was_killed_after, was_killed_at
from typer.testing import CliRunner

from clinical_ner import cli
from clinical_ner.commands import monitor
from clinical_ner.core import io
from clinical_ner.core.errors import UserError
from clinical_ner.core.figures import FIGURES
from clinical_ner.core.schema import PROFILES
from clinical_ner.monitoring.drift import profile_notes
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import store
from clinical_ner.serving.contract import Note
from clinical_ner.serving.reading import read_note

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
USUAL = "She has gout and takes insulin. He is {} years old and has asthma, which {} call {}."
BROKEN = "Sh\ufffd h\ufffds g\ufffd\ufffdt {} {} {}."
Run = Callable[..., Result]


def rows(
    tagger: Tagger, template: str, count: int, since: datetime, model: str = "0123456789ab"
) -> list[dict[str, Any]]:
    """Predictions a minute apart, of notes that differ."""
    words = ("some", "many", "we", "few", "all")
    texts = [template.format(37 * n % 90, words[n % 5], "so " * (n % 7)) for n in range(count)]  # any stretch is alike
    labels = {"request_id": "r", "model_version": model, "key_id": None}
    return [
        {
            **read_note(tagger, Note(text=text)).figures,
            **labels,
            "prediction_id": UUID(int=int(since.timestamp()) * 1000 + n),  # ids decide the order of the reference
            "created_at": since + timedelta(minutes=n),
        }
        for n, text in enumerate(texts)
    ]


@pytest.fixture
def url(tmp_path: Path) -> str:
    found = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store.migrate(found)
    return found


@pytest.fixture
def params_file(tmp_path: Path) -> Path:
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["drift"] |= {"windows": [20, 40], "resamples": 100, "splits": 4, "min_judged": 2}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return tmp_path / "params.yaml"


@pytest.fixture
def run(url: str, params_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(monitor, "now", lambda: NOON)

    def invoke(command: str, *arguments: str, **folders: str) -> Result:
        known = {"--store": url, "--params": str(params_file), "--out": str(tmp_path / "out")}
        known |= {"--reference": str(tmp_path / "reference")} if command == "run" else {}
        return CliRunner().invoke(
            monitor.app, [command, *(x for pair in (known | folders).items() for x in pair), *arguments]
        )

    return invoke


@pytest.fixture
def calibrated(run: Run, url: str, tiny: Tagger, tmp_path: Path) -> Run:
    add(url, rows(tiny, USUAL, 120, NOON - timedelta(days=9)))
    done = run("calibrate", "--since", "2026-02-20", "--until", "2026-02-25", **{"--out": str(tmp_path / "reference")})
    assert done.exit_code == 0, done.output
    return run


def add(url: str, predictions: list[dict[str, Any]]) -> None:
    opened = store.Store.open(url)
    opened.add_predictions(predictions)
    opened.close()


def correct(url: str, predictions: list[dict[str, Any]], spans: list[dict[str, Any]]) -> None:
    opened = store.Store.open(url)
    for each in predictions:
        said = {"feedback_id": uuid4(), "prediction_id": each["prediction_id"], "spans": spans, "text": None}
        opened.add_feedback(
            {**said, "request_id": "r", "created_at": NOON - timedelta(hours=1), "key_id": None, "rating": 3}
        )
    opened.close()


def written(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out/monitor.json").read_text(encoding="utf-8")))


def test_notes_like_those_of_the_reference_end_with_0_and_a_page(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, USUAL, 60, NOON - timedelta(hours=2)))

    done = calibrated("run", "--last", "24h")

    assert done.exit_code == 0, done.output
    assert (written(tmp_path)["verdict"], written(tmp_path)["actions"]) == ("none", ["log"])
    assert written(tmp_path)["window"]["notes"] == 60
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("monitor.json", "monitor.html", "monitor.prom", "evidently.html"),
    }
    assert "clinical_ner_drift_verdict 0.0\n" in (tmp_path / "out/monitor.prom").read_text()


def test_broken_notes_end_with_20_and_ask_for_retraining_and_the_store_remembers(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, BROKEN, 60, NOON - timedelta(hours=2)))

    done = calibrated("run", "--last", "24h")

    request = json.loads((tmp_path / "out/retraining_request.json").read_text())
    last = store.Store.open(url).last_run()
    assert done.exit_code == 20, done.output
    assert request["reasons"] == written(tmp_path)["reasons"] != []
    assert "broken_per_1000_characters" in request["figures"]
    assert last is not None
    assert (last["verdict"], last["notes"], last["created_at"]) == ("alert", 60, NOON)


def test_a_window_that_is_watched_ends_with_10_and_asks_for_nothing(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    predictions = rows(tiny, USUAL, 60, NOON - timedelta(hours=2))
    add(url, predictions)
    for each, missed in zip(predictions, [[], [{"start": 0, "end": 3, "label": "DISEASE"}]] * 30, strict=True):
        found = [{"start": start, "end": end, "label": label} for start, end, label in each["spans"]]
        correct(url, [each], found[1:] + missed)

    done = calibrated("run", "--last", "24h")

    last = store.Store.open(url).last_run()
    assert done.exit_code == 10, done.output
    assert done.output.startswith("watch: ")
    labelled = written(tmp_path)["labelled"]
    assert labelled["alert_below"] < labelled["f1_low"] < labelled["f1"] == 0.8 < labelled["f1_high"]
    assert labelled["f1_high"] < labelled["watch_below"]
    assert (written(tmp_path)["verdict"], written(tmp_path)["actions"]) == ("watch", ["log", "watch"])
    assert not (tmp_path / "out/retraining_request.json").exists()
    assert last is not None
    assert last["verdict"] == "watch"
    assert "clinical_ner_drift_verdict 1.0\n" in (tmp_path / "out/monitor.prom").read_text()


@pytest.mark.parametrize(
    ("template", "verdict", "actions", "asked", "code"),
    [
        (BROKEN, "alert", ["log", "alert"], False, 20),
        (BROKEN, "alert", ["log", "watch", "retrain"], True, 10),
        (BROKEN, "alert", ["log"], False, 0),
        (USUAL, "none", ["retrain"], True, 0),
        (USUAL, "none", ["log", "alert"], False, 20),
    ],
)
def test_another_policy_asks_for_something_else(
    calibrated: Run,
    url: str,
    tiny: Tagger,
    params_file: Path,
    tmp_path: Path,
    template: str,
    verdict: str,
    actions: list[str],
    asked: bool,
    code: int,
) -> None:
    content = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    content["drift"]["policy"][verdict] = actions
    params_file.write_text(yaml.safe_dump(content), encoding="utf-8")
    add(url, rows(tiny, template, 60, NOON - timedelta(hours=2)))

    done = calibrated("run", "--last", "24h")

    last, told = store.Store.open(url).last_run(), (tmp_path / "out/monitor.prom").read_text()
    assert done.exit_code == code, done.output
    assert last is not None
    assert (last["verdict"], last["actions"]) == (verdict, actions)
    assert (written(tmp_path)["verdict"], written(tmp_path)["actions"]) == (verdict, actions)
    assert (tmp_path / "out/retraining_request.json").exists() is asked
    assert set(re.findall(r'^clinical_ner_monitoring_action{action="(\w+)"} 1.0$', told, re.MULTILINE)) == set(actions)


def test_a_request_of_an_earlier_run_does_not_outlive_it(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, USUAL, 60, NOON - timedelta(hours=2)))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/retraining_request.json").write_text("{}")

    calibrated("run", "--last", "24h")

    assert not (tmp_path / "out/retraining_request.json").exists()


def test_corrections_are_evidence_of_their_own(calibrated: Run, url: str, tiny: Tagger, tmp_path: Path) -> None:
    predictions = rows(tiny, USUAL, 60, NOON - timedelta(hours=2))
    add(url, predictions)
    correct(url, predictions[:5], [{"start": 0, "end": 3, "label": "DISEASE", "assertion": None}])

    done = calibrated("run", "--last", "24h")

    found = written(tmp_path)
    assert done.exit_code == 20, done.output
    assert (found["label_free"]["verdict"], found["labelled"]["verdict"]) == ("none", "alert")
    assert (found["labelled"]["judged"], found["labelled"]["f1"], found["labelled"]["missed"]) == (5, 0.0, 5)


def test_a_window_too_small_is_refused_with_a_remedy_and_nothing_is_written(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, USUAL, 19, NOON - timedelta(hours=2)))

    done = calibrated("run", "--last", "24h")

    assert isinstance(done.exception, UserError)
    assert "19 notes, 20 are needed" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_notes_and_corrections_of_another_model_than_the_references_are_left_out_and_counted(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    own, other = (
        rows(tiny, template, 60, NOON - timedelta(hours=hours), model)
        for template, hours, model in ((USUAL, 2, "0123456789ab"), (BROKEN, 4, "ba9876543210"))
    )
    add(url, own + other)
    correct(url, other[:5], [{"start": 0, "end": 3, "label": "DISEASE"}])

    done = calibrated("run", "--last", "24h")

    found = written(tmp_path)
    assert done.exit_code == 0, done.output
    assert (found["window"]["notes"], found["window"]["left_out"]) == (60, 60)
    assert found["window"]["model_version"] == "0123456789ab"
    assert found["labelled"]["judged"] == 0


def test_rows_of_before_with_other_age_groups_are_left_out_and_counted(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, USUAL, 60, NOON - timedelta(hours=2)))
    add(url, [row | {"ages": {"very_old": 1}} for row in rows(tiny, USUAL, 7, NOON - timedelta(hours=3))])

    done = calibrated("run", "--last", "24h")

    found = written(tmp_path)
    assert done.exit_code == 0, done.output
    assert (found["window"]["notes"], found["window"]["left_out"]) == (60, 7)


def test_a_window_that_another_model_alone_has_read_is_refused(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, USUAL, 60, NOON - timedelta(hours=2), "ba9876543210"))

    done = calibrated("run", "--last", "24h")

    assert isinstance(done.exception, UserError)
    assert "none of the window's 60 notes was read by model 0123456789ab" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_history_is_that_of_its_newest_model(run: Run, url: str, tiny: Tagger, tmp_path: Path) -> None:
    for days, model in ((9, "ba9876543210"), (8, "0123456789ab")):
        add(url, rows(tiny, USUAL, 100, NOON - timedelta(days=days), model))

    done = run("calibrate", "--since", "2026-02-20", "--until", "2026-02-25", **{"--out": str(tmp_path / "reference")})

    assert "100 notes" in done.output
    assert "read by model 0123456789ab; 100 left out" in done.output
    assert "of windows of 20, 40 notes and more" in done.output
    assert json.loads((tmp_path / "reference/thresholds.json").read_text())["model_version"] == "0123456789ab"


def test_a_store_that_takes_no_run_leaves_no_report(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise store.StoreDownError

    add(url, rows(tiny, USUAL, 60, NOON - timedelta(hours=2)))
    monkeypatch.setattr(store.Store, "add_run", refuse)

    done = calibrated("run", "--last", "24h")

    assert isinstance(done.exception, UserError)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("span", "notes"), [((), 60), (("--since", "2026-02-01", "--until", "2026-02-02"), 30)])
def test_a_file_of_profiles_is_compared_and_nothing_is_stored(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path, span: tuple[str, ...], notes: int
) -> None:
    texts = [BROKEN.format(n, n, n) for n in range(60)]
    days = [pd.Timestamp("2026-02-01") + pd.Timedelta(days=n % 2) for n in range(60)]
    written_on = {"note_id": map(str, range(60)), "patient_id": None, "text": texts, "written_on": days}
    io.write(PROFILES, profile_notes(tiny, pd.DataFrame(written_on)), tmp_path)

    done = calibrated("run", "--profiles", str(tmp_path / "profiles.parquet"), *span)

    assert done.exit_code == 20, done.output
    assert written(tmp_path)["window"]["notes"] == notes
    assert store.Store.open(url).last_run() is None


def taken_in(folder: Path, template: str, count: int) -> str:
    """A folder of `clinical-ner ingest` with notes of ten patients and of nobody known."""
    file = folder.with_suffix(".jsonl")
    days = [f"2026-02-{1 + n % 20:02}" for n in range(count)]
    texts = [template.format(37 * n % 90, ("some", "many", "we")[n % 3], "so " * (n % 7)) for n in range(count)]
    notes = [
        {"note_id": f"MRN-{n}", "patient_id": f"Doe-{n % 10}" if n % 2 else None, "written_on": day, "text": text}
        for n, (day, text) in enumerate(zip(days, texts, strict=True))
    ]
    file.write_text("".join(json.dumps(note) + "\n" for note in notes), encoding="utf-8")
    done = CliRunner().invoke(
        cli.app, ["ingest", str(file), "--out", str(folder), "--params", str(ROOT / "params.yaml")]
    )
    assert done.exit_code == 0, done.output
    return str(folder)


def test_notes_that_were_taken_in_are_a_history_and_a_window_without_any_store(
    run: Run, tiny_model: Path, tiny: Tagger, tmp_path: Path
) -> None:
    def profiled(name: str, template: str, count: int) -> str:
        notes, out = taken_in(tmp_path / name, template, count), tmp_path / f"{name}-profiles"
        words = ["profile", notes, "--out", str(out), "--model", str(tiny_model)]
        done = CliRunner().invoke(monitor.app, words)
        assert done.exit_code == 0, done.output
        return str(out / "profiles.parquet")

    reference = {"--out": str(tmp_path / "reference")}
    history = profiled("history", USUAL, 120)
    calibration = run("calibrate", "--profiles", history, **reference)
    usual = run("run", "--profiles", profiled("usual", USUAL, 60))
    broken = run("run", "--profiles", profiled("broken", BROKEN, 60))

    profiles = io.read_file(PROFILES, Path(history))
    ingested = pd.read_parquet(tmp_path / "history/ingested.parquet")
    read = profile_notes(tiny, ingested).sort_values("characters", kind="stable", ignore_index=True)
    assert "120 notes from 2026-02-01" in calibration.output
    assert (usual.exit_code, broken.exit_code) == (0, 20), usual.output
    assert profiles["patient_id"].nunique() == ingested["patient_id"].nunique() == 5
    assert not profiles[["note_id", "patient_id"]].astype(str).stack().str.contains("MRN|Doe").any()
    assert sorted(profiles["characters"]) == list(read["characters"])
    assert profiles[list(FIGURES)].sum().to_dict() == pytest.approx(read[list(FIGURES)].sum().to_dict())


def test_a_folder_without_notes_has_no_profiles(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"note_id": "1", "text": ""}\n')
    options = ["--out", str(tmp_path / "none"), "--params", str(ROOT / "params.yaml")]
    CliRunner().invoke(cli.app, ["ingest", str(tmp_path / "bad.jsonl"), *options])

    for folder in ("none", "absent"):
        words = ["profile", str(tmp_path / folder), "--out", str(tmp_path / "out"), "--model", str(tiny_model)]
        done = CliRunner().invoke(monitor.app, words)

        assert isinstance(done.exception, UserError)
        assert f"no notes were taken in to {tmp_path / folder}" in str(done.exception)
    assert (tmp_path / "none/ingested.parquet").exists()
    assert not (tmp_path / "out").exists()


def test_a_report_of_another_version_is_refused_with_a_remedy(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    predictions = rows(tiny, USUAL, 60, NOON - timedelta(hours=2))
    add(url, predictions)
    correct(url, predictions[:5], [{"start": 0, "end": 3, "label": "DISEASE"}])
    calibrated("run", "--last", "24h")
    old = written(tmp_path)
    del old["labelled"]["f1_low"]
    (tmp_path / "out/monitor.json").write_text(json.dumps(old))

    done = CliRunner().invoke(monitor.app, ["summary", str(tmp_path / "out")])

    assert isinstance(done.exception, UserError)
    assert "monitor.json says nothing of 'f1_low'" in str(done.exception)


def test_a_history_too_short_to_be_told_from_a_window_of_it_is_refused(
    run: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, USUAL, 39, NOON - timedelta(days=9)))

    done = run("calibrate", "--since", "2026-02-20", "--until", "2026-02-25", **{"--out": str(tmp_path / "reference")})

    assert isinstance(done.exception, UserError)
    assert "39 notes, two of the largest windows 40" in str(done.exception)
    assert not (tmp_path / "reference").exists()


def test_the_row_of_the_store_is_the_row_of_the_pipeline(url: str, tiny: Tagger) -> None:
    texts = [USUAL.format(7, "we", "so"), BROKEN.format(1, 2, 3), "H\u00e9llo.", ""]
    notes = pd.DataFrame({"note_id": list("abcd"), "patient_id": None, "written_on": NOON, "text": texts})
    labels = {"request_id": "r", "model_version": "v", "key_id": None}
    read = [read_note(tiny, Note.model_construct(text=text, id=None)).figures for text in texts]
    add(url, [{**row, **labels, "created_at": NOON + timedelta(seconds=n)} for n, row in enumerate(read)])

    stored = monitor.stored_profiles(store.Store.open(url).predictions(NOON, NOON + timedelta(hours=1)))

    pd.testing.assert_frame_equal(stored[list(FIGURES)], profile_notes(tiny, notes)[list(FIGURES)])


def test_the_summary_is_markdown_with_both_kinds_of_evidence(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    add(url, rows(tiny, BROKEN, 60, NOON - timedelta(hours=2)))
    calibrated("run", "--last", "24h")

    done = CliRunner().invoke(monitor.app, ["summary", str(tmp_path / "out")])

    assert done.exit_code == 0
    assert done.output.startswith("## Drift: alert\n")
    assert [line for line in done.output.splitlines() if line.startswith("###")] == [
        "### Without labels",
        "### With labels",
    ]
    shares = [float(share) for share in re.findall(r"^\| \w+ \|.*\| ([\d.]+) \|$", done.output, re.MULTILINE)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 1


def test_a_run_that_is_killed_at_any_moment_is_run_again_and_is_there_once(
    calibrated: Run, url: str, tiny: Tagger, params_file: Path, tmp_path: Path
) -> None:
    add(url, rows(tiny, BROKEN, 60, NOON - timedelta(hours=2)))
    window = ("run", "--since", "2026-03-01T09:00", "--until", "2026-03-01T12:00")
    out = {name: tmp_path / name for name in ("killed", "whole")}
    command = [*window, "--store", url, "--params", str(params_file), "--reference", str(tmp_path / "reference")]
    calibrated(*window, **{"--out": str(out["whole"])})
    killed = 0

    for milliseconds in (5, 20, 60, 150, 400, 1000):
        killed += was_killed_after(
            milliseconds, lambda: CliRunner().invoke(monitor.app, [*command, "--out", str(out["killed"])])
        )
        for file in out["killed"].glob("*.json"):
            assert file.read_bytes() == (out["whole"] / file.name).read_bytes()
    done = calibrated(*window, **{"--out": str(out["killed"])})

    kept = store.Store.open(url).runs(NOON - timedelta(days=1), NOON + timedelta(days=99_999))
    names = [{path.name for path in folder.iterdir()} for folder in out.values()]
    assert killed >= 2
    assert (done.exit_code, len(kept), kept[0]["verdict"]) == (20, 1, "alert")
    assert names[0] == names[1]
    assert (out["killed"] / "monitor.json").read_bytes() == (out["whole"] / "monitor.json").read_bytes()


def test_a_calibration_killed_at_any_step_leaves_a_pair_or_what_is_refused(
    calibrated: Run, url: str, tiny: Tagger, tmp_path: Path
) -> None:
    reference, old, new = tmp_path / "reference", tmp_path / "old", tmp_path / "new"
    history = ["--since", "2026-02-01", "--until", "2026-02-25"]
    add(url, rows(tiny, BROKEN, 60, NOON - timedelta(days=19)))
    calibrated("calibrate", *history, **{"--out": str(new)})
    shutil.copytree(reference, old)
    pipeline = json.loads((old / "thresholds.json").read_text())
    del pipeline["reference.parquet"]  # the stage drift writes none
    (old / "thresholds.json").write_text(json.dumps(pipeline))
    refused, step = 0, 0

    while True:
        step += 1
        shutil.rmtree(reference)
        shutil.copytree(old, reference)
        if not was_killed_at(step, reference, lambda: calibrated("calibrate", *history, **{"--out": str(reference)})):
            break
        if pair(reference) not in {pair(old), pair(new)}:
            done = calibrated("run", "--last", "24h")
            assert isinstance(done.exception, UserError)
            assert "another reference than the one beside it" in str(done.exception)
            refused += 1
    assert refused
    assert pair(reference) == pair(new) != pair(old)


def pair(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / name).read_bytes() for name in ("reference.parquet", "thresholds.json"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no beginning, or two"),
        (["--since", "2026-01-01", "--last", "24h"], "no beginning, or two"),
        (["--last", "a day"], "--last: not a number"),
        (["--since", "yesterday"], "--since: not a time"),
        (["--since", "2026-03-02"], "ends before it begins"),
    ],
)
def test_a_window_that_is_none_is_refused(calibrated: Run, arguments: list[str], told: str) -> None:
    done = calibrated("run", *arguments)

    assert isinstance(done.exception, UserError)
    assert told in str(done.exception)


def test_a_reference_that_was_never_calibrated_is_refused(run: Run) -> None:
    done = run("run", "--last", "24h")

    assert isinstance(done.exception, UserError)
    assert "remedy: run 'dvc repro drift', or 'clinical-ner monitor calibrate'" in str(done.exception)

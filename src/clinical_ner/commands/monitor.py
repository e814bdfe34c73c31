"""`clinical-ner monitor`: compare what the service saw with the reference, decide, and tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID, uuid5

import typer

from clinical_ner.commands.durations import duration
from clinical_ner.commands.store import STORE, StoreUrl, opened
from clinical_ner.core.errors import UserError
from clinical_ner.core.figures import AGES
from clinical_ner.serving.clock import now
from clinical_ner.serving.places import MODEL, MODEL_VARIABLE

if TYPE_CHECKING:
    import pandas as pd

    from clinical_ner.monitoring.drift import Thresholds
    from clinical_ner.monitoring.feedback import Judged
    from clinical_ner.monitoring.policy import Window

app = typer.Typer(no_args_is_help=True, help="Watch for drift, of the notes and of the model.")

Since = Annotated[str | None, typer.Option(help="From then on, such as 2026-03-01 or 2026-03-01T08:00; UTC.")]
Until = Annotated[str | None, typer.Option(help="To before then; default: now.")]
Last = Annotated[str | None, typer.Option(help="Instead of --since: 24h or 7d.")]
Profiles = Annotated[Path | None, typer.Option(help="A Parquet file of `monitor profile`, instead of the store.")]
ParamsFile = Annotated[Path, typer.Option("--params")]
PARAMS = Path("params.yaml")
REPORT, PAGE, GAUGES, REQUEST = "monitor.json", "monitor.html", "monitor.prom", "retraining_request.json"
RUNS = UUID("6e0c1f1e-3a3f-4b8e-9d55-0f6c1d1b7a10")  # the ids of runs are made from it
EVIDENTLY, THRESHOLDS, REFERENCE_FILE = "evidently.html", "thresholds.json", "reference.parquet"
PROFILES_FILE = "profiles.parquet"


@app.command("run")
def run_monitor(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    url: StoreUrl = STORE,
    profiles: Profiles = None,
    since: Since = None,
    until: Until = None,
    last: Last = None,
    reference: Annotated[Path, typer.Option(help="Of the stage drift or of calibrate.")] = Path("data/drift"),
    params_file: ParamsFile = PARAMS,
) -> None:
    """Compare a window of notes with the reference; ends with what the policy asks: 0, 10 (watch) or 20 (alert)."""
    from clinical_ner.core import files, params
    from clinical_ner.monitoring import drift, policy, report

    section, at = params.load(params_file).drift, now()
    known = _calibrated(reference)
    window, current, judged = _taken(url, profiles, (since, until, last, at), known.model_version)
    comparison = drift.compare(known.reference, current, known.thresholds, section.seed)
    assessment = policy.assess(window, (known.reference, current), comparison, judged, section)
    request = policy.retraining_request(assessment)
    if profiles is None:
        _remember(url, assessment, at)  # first: a store that takes nothing leaves no reports that it does not know of
    out.mkdir(parents=True, exist_ok=True)
    files.write_whole(out / PAGE, report.page(assessment), files.READABLE)
    files.write_whole(out / EVIDENTLY, comparison.html, files.READABLE)
    if request:
        files.write_whole(out / REQUEST, files.as_json(request), files.READABLE)
    else:
        (out / REQUEST).unlink(missing_ok=True)  # that of an earlier run
    files.write_whole(out / GAUGES, report.text_file(assessment, at), files.READABLE)
    files.write_whole(out / REPORT, files.as_json(assessment), files.READABLE)
    typer.echo(f"{assessment['verdict']}: {'; '.join(assessment['reasons']) or 'nothing moved'}")
    raise typer.Exit(policy.exit_code(assessment))


@app.command()
def summary(folder: Annotated[Path, typer.Argument(help="That `monitor run` wrote.")]) -> None:
    """Print the last run as Markdown, for the body of an issue."""
    from clinical_ner.core import files
    from clinical_ner.monitoring import report

    file = folder / REPORT
    if not file.is_file():
        raise UserError(f"{file} does not exist", "run 'clinical-ner monitor run --out DIR' first")
    try:
        told = report.summary(_furthest_first(files.read_json(file)))
    except KeyError as error:
        raise UserError(f"{file} says nothing of {error}", "another version wrote it: run the monitor again") from None
    typer.echo(told, nl=False)


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="The folder to write reference and thresholds to.")],
    url: StoreUrl = STORE,
    profiles: Profiles = None,
    since: Since = None,
    until: Until = None,
    last: Last = None,
    params_file: ParamsFile = PARAMS,
) -> None:
    """Take a stretch of your own history, known to be good, as the reference; of the store, its newest model's."""
    from clinical_ner.core import files, io, params
    from clinical_ner.core.schema import REFERENCE
    from clinical_ner.monitoring import drift

    section = params.load(params_file).drift
    window, history, _ = _taken(url, profiles, (since, until, last, now()))
    fitting = drift.for_reference(section, len(history))
    thresholds = drift.to_json(drift.calibrate(history, fitting), window.model_version or "")
    out.mkdir(parents=True, exist_ok=True)
    with files.whole_file_of_folder(out / REFERENCE_FILE, files.READABLE) as partial:
        io.write(REFERENCE, history, partial)
        told = thresholds | io.digests([REFERENCE], partial)  # before the reference itself: a kill between is noticed
        files.write_whole(out / THRESHOLDS, files.as_json(told), files.READABLE)
    span = f"from {window.since.isoformat()} to {window.until.isoformat()}"
    reader = f", read by model {window.model_version}" if window.model_version else ""
    typer.echo(f"{out}: {window.notes} notes {span}{reader}; {window.left_out} left out")
    typer.echo(f"it tells of windows of {', '.join(thresholds['windows'])} notes and more")


@app.command()
def profile(
    folder: Annotated[Path, typer.Argument(help="Of `clinical-ner ingest`, with its notes.")],
    out: Annotated[Path, typer.Option(help="The folder to write profiles.parquet to.")],
    model: Annotated[Path, typer.Option(envvar=MODEL_VARIABLE, help="The model, *.crfsuite.")] = MODEL,
) -> None:
    """Read notes that were taken in and keep a row of figures of each, for `run` and `calibrate --profiles`.

    Notes and patients are numbered: none of the words, and no id of the sender.
    """
    import pandas as pd

    from clinical_ner.core import files, io
    from clinical_ner.core.schema import PROFILES
    from clinical_ner.intake.folder import stored
    from clinical_ner.monitoring import drift
    from clinical_ner.ner.tagger import Tagger

    notes = stored(folder)
    if notes is None or notes.empty:
        raise UserError(f"no notes were taken in to {folder}", "run 'clinical-ner ingest FILE --out DIR' first")
    tagger = Tagger.load(model)
    patients, _ = pd.factorize(notes["patient_id"])
    notes["patient_id"] = pd.Series([str(number) for number in patients], dtype=object).where(patients >= 0, None)
    notes["note_id"] = [str(number) for number in range(len(notes))]
    out.mkdir(parents=True, exist_ok=True)
    with files.whole_file_of_folder(out / PROFILES_FILE, files.READABLE) as partial:
        io.write(PROFILES, drift.profile_notes(tagger, notes), partial)
    typer.echo(f"{out / PROFILES_FILE}: {len(notes)} notes, read by model {tagger.manifest.version}")


def _furthest_first(assessment: dict[str, Any]) -> dict[str, Any]:
    """With its figures in the order of their shares, which a file of JSON in alphabetical order has lost."""
    free = assessment["label_free"]
    figures = sorted(free["figures"].items(), key=lambda figure: -figure[1]["share_of_limit"])
    return assessment | {"label_free": free | {"figures": dict(figures)}}


# --- windows ---------------------------------------------------------------------------------------
def _span(since: str | None, until: str | None, last: str | None, at: datetime) -> tuple[datetime, datetime]:
    """From when to when; the clock is given."""
    end = _time("--until", until) if until else at
    if (since is None) == (last is None):
        raise UserError("the window has no beginning, or two", "pass --since TIME or --last 24h")
    start = _time("--since", since) if since else end - duration("--last", last or "")
    if start >= end:
        raise UserError("the window ends before it begins", "let --since be before --until")
    return start, end


def _time(option: str, written: str) -> datetime:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise UserError(f"{option}: not a time", "write it as 2026-03-01 or 2026-03-01T08:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Asked = tuple[str | None, str | None, str | None, datetime]  # since, until, last; and now


def _taken(
    url: str, profiles: Path | None, asked: Asked, version: str | None = None
) -> tuple[Window, pd.DataFrame, list[Judged]]:
    """`_from_store`, or `_from_file` where one is given: of all of it, if no time is asked for."""
    if profiles is None:
        return _from_store(url, *_span(*asked), version)
    return _from_file(profiles, _span(*asked) if any(asked[:3]) else None)


def _from_store(
    url: str, since: datetime, until: datetime, version: str | None = None
) -> tuple[Window, pd.DataFrame, list[Judged]]:
    """The window, its PROFILES and what feedback that came in it has judged, of one model: the newest, or this.

    Raises:
        UserError: other models alone have read the notes; what they are sure of and what they find differs.
    """
    from clinical_ner.monitoring.feedback import judged_notes
    from clinical_ner.monitoring.policy import Window

    with opened(url) as store:
        rows, judged = store.predictions(since, until), store.feedback(since, until)
    version = version or (rows[-1]["model_version"] if rows else None)
    own = [row for row in rows if row["model_version"] == version]
    if rows and not own:
        raise UserError(
            f"none of the window's {len(rows)} notes was read by model {version}, of which the reference is",
            "take a reference of the model that is served: 'clinical-ner monitor calibrate', and --reference",
        )
    # Rows of before have no concepts, or other age groups.
    whole = [row for row in own if row["concepts"] is not None and row["ages"].keys() <= set(AGES)]
    window = Window(since, until, len(whole), len(rows) - len(whole), version)
    of_version = [row for row in judged if row["model_version"] == version]
    return window, stored_profiles(whole), judged_notes(of_version)


def stored_profiles(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """PROFILES of predictions as the store has them; their patients are not known."""
    import pandas as pd

    from clinical_ner.monitoring.drift import profile_table

    times = pd.to_datetime([row["created_at"] for row in rows], utc=True).tz_localize(None).astype("datetime64[ns]")
    ids = [str(row["prediction_id"]) for row in rows]
    labels = pd.DataFrame({"note_id": pd.Series(ids, dtype=object), "patient_id": None, "written_on": times})
    return profile_table(labels, rows)


def _from_file(path: Path, asked: tuple[datetime, datetime] | None) -> tuple[Window, pd.DataFrame, list[Judged]]:
    """The same of a file of PROFILES, of those written in the time that is asked for; nobody has corrected anything."""
    from clinical_ner.core import io
    from clinical_ner.core.schema import PROFILES
    from clinical_ner.monitoring.policy import Window

    current = io.read_file(PROFILES, path)
    if asked:
        since, until = (time.astimezone(UTC).replace(tzinfo=None) for time in asked)
        current = current[(current["written_on"] >= since) & (current["written_on"] < until)].reset_index(drop=True)
    if current.empty:
        raise UserError(f"{path} has no notes{' of that time' if asked else ''}", "choose a longer window")
    days = [current["written_on"].min(), current["written_on"].max() + timedelta(days=1)]
    first, past = asked or [day.to_pydatetime().replace(tzinfo=UTC) for day in days]
    return Window(first, past, len(current), 0, None), current, []


class Calibrated(NamedTuple):
    """A reference, the thresholds that were calibrated on it, and the model that read it."""

    reference: pd.DataFrame
    thresholds: list[Thresholds]
    model_version: str | None


def _calibrated(folder: Path) -> Calibrated:
    """The reference of the folder with what belongs to it.

    Those of `calibrate` name their reference by its SHA-256; those of the stage drift are one output of DVC's.

    Raises:
        UserError: one is missing, or they are not of each other.
    """
    from clinical_ner.core import files, io
    from clinical_ner.core.schema import REFERENCE
    from clinical_ner.monitoring import drift

    file = folder / THRESHOLDS
    if not file.is_file():
        raise UserError(f"{file} does not exist", "run 'dvc repro drift', or 'clinical-ner monitor calibrate'")
    content = files.read_json(file)
    digest = content.pop(REFERENCE_FILE, None)
    reference = io.read(REFERENCE, folder)
    if digest not in {None, files.sha256(folder / REFERENCE_FILE)}:  # of what is there after it was read
        raise UserError(
            f"{file} is of another reference than the one beside it",
            "run 'clinical-ner monitor calibrate' again: the last time it did not come to its end",
        )
    return Calibrated(reference, drift.from_json(content), content.get("model_version"))


# --- the store -------------------------------------------------------------------------------------
def _remember(url: str, assessment: dict[str, Any], at: datetime) -> None:
    """Keep the run, where the service and the board find it: the same findings of the same window once."""
    from clinical_ner.core.files import as_json
    from clinical_ner.monitoring.gauges import run_row

    window = assessment["window"]
    row = run_row(assessment, at) | {
        "run_id": uuid5(RUNS, as_json(assessment)),
        "since": datetime.fromisoformat(window["since"]),
        "until": datetime.fromisoformat(window["until"]),
        "report": assessment,
    }
    with opened(url) as store:
        store.add_run(row)

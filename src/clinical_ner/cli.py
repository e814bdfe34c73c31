"""The command `clinical-ner`: thin, over the same functions as the stages and the service."""

from __future__ import annotations

import io
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from clinical_ner.commands import batch, experiments, generation, kpi, mirror, monitor, release, remote
from clinical_ner.commands import feedback as feedback_commands
from clinical_ner.commands import intake as intake_commands
from clinical_ner.commands.durations import duration
from clinical_ner.commands.store import STORE, StoreUrl, opened, reached
from clinical_ner.core import commands, params
from clinical_ner.core.errors import UserError
from clinical_ner.core.span import LABELS, SYNTHETIC
from clinical_ner.ner import corpora
from clinical_ner.ner.corpora import Corpus, Format
from clinical_ner.ner.extraction import record, understand
from clinical_ner.ner.fhir import bundle
from clinical_ner.ner.output import OutputFormat, render, show
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving.clock import now
from clinical_ner.serving.places import MODEL, MODEL_VARIABLE

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Find diseases and treatments in clinical text.")
population = typer.Typer(no_args_is_help=True, help="People who do not exist, and their records.")
app.add_typer(population, name="population")
app.command()(intake_commands.ingest)
app.add_typer(feedback_commands.app, name="feedback")
app.add_typer(remote.app, name="remote")
app.command()(experiments.sweep)
app.command()(mirror.mirror)
app.add_typer(monitor.app, name="monitor")
app.command("extract-batch")(batch.extract_batch)
app.add_typer(generation.notes, name="notes")

STANDARD_INPUT = "-"
Model = Annotated[Path, typer.Option(envvar=MODEL_VARIABLE, help="The model, *.crfsuite, with its manifest beside it.")]
Map = Annotated[list[str] | None, typer.Option("--map", metavar="SOURCE=LABEL", help="A label of the corpus in ours.")]
LISTED = 5  # of the labels that are not mapped


@app.command()
def extract(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Texts; none or -: input.")] = None,
    output_format: Annotated[OutputFormat | None, typer.Option("--format", help="Default: table or json.")] = None,
    subject: Annotated[str | None, typer.Option(help="Of --format fhir: a reference, such as Patient/7.")] = None,
    model: Model = MODEL,
) -> None:
    """Print the diseases and treatments of each text, what is said of them, and what each treatment is for."""
    names = [str(file) for file in files or [Path(STANDARD_INPUT)]]
    texts = [_read_text(name) for name in names]
    tagger = Tagger.load(model)
    chosen = output_format or (OutputFormat.TABLE if sys.stdout.isatty() else OutputFormat.JSON)
    rows = [(name, text, understand(tagger, text)) for name, text in zip(names, texts, strict=True)]
    if chosen is OutputFormat.FHIR:
        results = [bundle(name, text, reading, subject) for name, text, reading in rows]
    else:
        results = [{"id": name, **record(text, reading)} for name, text, reading in rows]
    if chosen is OutputFormat.TABLE:
        show(Console(), texts, results)
    else:
        sys.stdout.write(render(results, chosen))


def _read_text(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise UserError(
            f"{name} cannot be read: {error.strerror}", "name a text file, or - for standard input"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8: byte {error.start}", "convert it, for instance with iconv") from None


@app.command()
def evaluate(
    corpus: Annotated[Path, typer.Argument(help="A folder (brat), a file (conll, jsonl) or a prefix (dt).")],
    corpus_format: Annotated[Format, typer.Option("--format")],
    label_map: Map = None,
    labels: Annotated[str | None, typer.Option(help="Which to score, e.g. DISEASE,TREATMENT; default: gold's.")] = None,
    model: Model = MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    show_errors: Annotated[bool, typer.Option("--errors", help="Count the errors by cause, and calibration.")] = False,
    show_text: Annotated[bool, typer.Option(help="With --errors: list each with its text, if it is yours.")] = False,
) -> None:
    """Score the model on annotated text: strict entity scores, and the token-weighted F1 beside them."""
    from clinical_ner.ner.diagnosis import diagnosis
    from clinical_ner.ner.errors import errors, shown
    from clinical_ner.ner.evaluation import scores, spans_of, understand_all

    if show_text and not show_errors:
        raise UserError("--show-text lists errors, which nobody asked for", "add --errors")
    annotated = corpora.read_corpus(corpus, corpus_format, corpora.parse_map(label_map or []))
    chosen = _labels(labels) if labels else annotated.labels
    tagger = Tagger.load(model)
    start = time.perf_counter()
    read = understand_all(tagger, annotated.documents)
    seconds = time.perf_counter() - start
    found = scores(spans_of(read, chosen))
    found["tokens_per_second"] = round(found["tokens"] / seconds)
    found["unused"] = unused(annotated)
    if show_errors:
        found |= diagnosis(read, chosen, tagger.gazetteer)
    if show_text:
        found["errors"] = [shown(error) for error in errors(spans_of(read, chosen), tagger.gazetteer)]
    typer.echo(json.dumps(found, indent=2) if as_json else score_lines(found))


def unused(corpus: Corpus) -> list[str]:
    """What of an annotated corpus is not used as it stands, a line each."""
    lines = []
    if corpus.ignored:
        listed = ", ".join(
            f"{corpora.shown_label(label)} {count}" for label, count in corpus.ignored.most_common(LISTED)
        )
        more = len(corpus.ignored) - LISTED
        lines.append(f"not mapped, ignored: {listed}{f' and {more} more labels' if more > 0 else ''}")
    if corpus.hulls:
        lines.append(f"discontinuous, taken from their first to their last part: {corpus.hulls} mentions")
    return lines


def _labels(names: str) -> tuple[str, ...]:
    chosen = tuple(name.strip() for name in names.split(","))
    unknown = [name for name in chosen if name not in LABELS]
    if unknown:
        raise UserError(f"--labels: unknown label '{unknown[0]}'", f"choose from {','.join(LABELS)}")
    return chosen


def score_lines(found: dict[str, Any]) -> str:
    """The scores as a table of plain text."""
    rows = {**found["per_label"], "micro": found["micro"]}
    lines = [f"{'':<10} precision  recall      f1  support"]
    for name, row in rows.items():
        shares = f"{row['precision']:>9.3f} {row['recall']:>7.3f} {row['f1']:>7.3f}"
        lines.append(f"{name:<10} {shares} {row['support']:>8}")
    lines.append(f"token-weighted F1, O counted: {found['token_weighted_f1']:.3f} (no measure of entities)")
    lines.append(f"{found['tokens']} tokens, {found['tokens_per_second']} a second")
    return "\n".join([*lines, *found["unused"], *_cause_lines(found), *found.get("errors", ())])


def _cause_lines(found: dict[str, Any]) -> list[str]:
    """The causes of the errors and how far confidence is from truth, if they were asked for."""
    if "causes" not in found:
        return []
    row = "{:<32} {:>8} {:>8}".format
    rows = [row(cause, of["false_positives"], of["false_negatives"]) for cause, of in found["causes"].items()]
    error = found["calibration"]["expected_calibration_error"]
    return [row("cause", "invented", "missed"), *rows, f"expected calibration error: {error:.3f}"]


@app.command()
def train(
    corpus: Annotated[list[Path], typer.Argument(help="Folders (brat), files (conll, jsonl) or prefixes (dt).")],
    corpus_format: Annotated[Format, typer.Option("--format")],
    out: Annotated[Path, typer.Option(help="The model to write, *.crfsuite.")],
    with_synthetic: Annotated[bool, typer.Option(help="Adapt the model of the synthetic notes to it.")] = False,
    label_map: Map = None,
    dataset: Annotated[Path, typer.Option(help="The folder of the stage dataset.")] = Path("data/dataset"),
    vocabulary: Annotated[Path, typer.Option(help="The folder of the stage vocabulary.")] = Path("data/vocabulary"),
    params_file: Annotated[Path, typer.Option("--params")] = Path("params.yaml"),
) -> None:
    """Train on annotated text, alone or with the synthetic notes, as the stage `train` does."""
    from clinical_ner.core import io as tables
    from clinical_ner.core.schema import CALIBRATION, LEXICON, TOKENS
    from clinical_ner.ner import training
    from clinical_ner.ner.concepts import Concepts
    from clinical_ner.ner.dataset import examples_of

    mapping = corpora.parse_map(label_map or [])
    corpus = list(dict.fromkeys(corpus))
    read = {str(path): corpora.read_corpus(path, corpus_format, mapping) for path in corpus}
    unannotated = "the synthetic model's reading stands for it" if with_synthetic else "all text counts as none"
    for name, found in read.items():
        missing = [f"no {label} is annotated, {unannotated}" for label in LABELS if label not in found.labels]
        for line in (*unused(found), *missing):
            typer.echo(f"{name}: {line}", err=True)
    prepared = [training.prepare(found.documents, found.labels) for found in read.values()]
    annotated = [example for part in prepared for example in part.examples]
    synthetic = (
        [e for e in examples_of(tables.read(TOKENS, dataset)) if e.source == SYNTHETIC] if with_synthetic else []
    )
    entries = training.entries(tables.read(LEXICON, dataset))
    data = tables.digests((LEXICON, *((TOKENS, CALIBRATION) if with_synthetic else ())), dataset)
    data |= tables.digests(tables.VOCABULARY, vocabulary)
    data |= dict(zip(corpora.short_names(corpus), map(corpora.digest, read.values()), strict=True))
    section = params.load(params_file).train
    concepts = Concepts.of(tables.read_vocabulary(vocabulary))
    calibration = examples_of(tables.read(CALIBRATION, dataset)) if with_synthetic else []
    training.train([*annotated, *synthetic], entries, section, out, data, concepts, calibration)
    typer.echo(
        f"{out}: {len(annotated)} annotated and {len(synthetic)} synthetic sentences;"
        f" {sum(part.widened for part in prepared)} gold spans widened to whole tokens,"
        f" {sum(part.dropped for part in prepared)} dropped as overlapping"
    )


@population.command()
def generate(
    out: Annotated[str, typer.Argument(help="The folder to write the tables to; with --parts also s3://.")],
    size: generation.Size = None,
    seed: generation.Seed = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; the same bytes for any number.")] = None,
    parts: Annotated[bool, typer.Option("--parts", help="A folder a table; run it again to continue.")] = False,
    scheduler: Annotated[str | None, typer.Option(help="Of --parts: of a Dask cluster that is there.")] = None,
    force: Annotated[bool, typer.Option(help="Replace files of the same names in OUT.")] = False,
    params_file: Annotated[Path, typer.Option("--params")] = Path("params.yaml"),
) -> None:
    """Write the records of any number of people as Parquet."""
    from clinical_ner.core.files import whole_folder
    from clinical_ner.population.writing import write_population

    if scheduler and not parts:
        raise UserError("--scheduler is of --parts: one file a table is written on this machine alone", "add --parts")
    if "://" in out and not parts:
        raise UserError(f"{out}: one file a table is written to a folder of this machine alone", "add --parts")
    if force and parts:
        raise UserError("--force is not of --parts, which continues a run and replaces none", "name a new folder")
    section = generation.asked(params.load(params_file).population, size, seed)
    if parts:
        generation.generate_people_in_parts(out, section, workers, scheduler)
        return
    with whole_folder(Path(out), replace=force) as partly:
        rows = write_population(section, partly, workers=workers or 1, progress=True)
    typer.echo(f"{out}: {', '.join(f'{count} {table}' for table, count in rows.items())}")


@population.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Of the tables, such as data/population.")],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    export_format: Annotated[
        Literal["csv", "fhir"], typer.Option("--format", help="A file a table, or bulk NDJSON of FHIR R4.")
    ],
    force: Annotated[bool, typer.Option(help="Replace files of the same names in OUT.")] = False,
) -> None:
    """Write a population in a format that other programs read."""
    from rich.progress import Progress

    from clinical_ner.population.export import export_population, rows_to_export

    rows = rows_to_export(folder, export_format)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("population", total=rows)  # a long path would push the figures out
        export_population(folder, out, export_format, partial(progress.advance, task), replace=force)


app.command()(release.promote)
app.command()(release.rollback)
app.command("versions")(release.versions_table)
app.command()(release.fetch)
app.command()(kpi.kpi)

keys_app = typer.Typer(no_args_is_help=True, help="API keys of the service; it sees a change with the next request.")
store_app = typer.Typer(no_args_is_help=True, help="The service's store of predictions and feedback.")
app.add_typer(keys_app, name="keys")
app.add_typer(store_app, name="store")
KeyFile = Annotated[Path, typer.Option("--keys", envvar="CLINICAL_NER_KEYS", help="The file of keys.")]
KEYS = Path("keys.json")


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[list[str], typer.Option(help="extract, feedback, metrics or admin; may be repeated.")],
    file: KeyFile = KEYS,
) -> None:
    """Make a key and print it, this once: the file keeps its SHA-256 alone."""
    from clinical_ner.serving import keys

    key, secret = keys.create(file, name, keys.roles(role), now())
    typer.echo(f"{key.id}: {key.name}, {', '.join(key.roles)}; it is not shown again:", err=True)
    typer.echo(secret)


@keys_app.command("list")
def keys_list(file: KeyFile = KEYS) -> None:
    """List the keys of the file, and which are revoked."""
    from clinical_ner.serving import keys

    for key in keys.read(file).keys:
        state = f"revoked {key.revoked:%Y-%m-%d}" if key.revoked else "valid"
        typer.echo(f"{key.id}  {','.join(key.roles):<24}  {key.created:%Y-%m-%d}  {state:<18}  {key.name}")


@keys_app.command("revoke")
def keys_revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.")], file: KeyFile = KEYS) -> None:
    """Revoke a key; the service refuses it from the next request on."""
    from clinical_ner.serving import keys

    typer.echo(f"{keys.revoke(file, key_id, now()).id} is revoked")


@store_app.command("migrate")
def store_migrate(url: StoreUrl = STORE) -> None:
    """Bring the store's tables up to date."""
    from clinical_ner.serving import store

    with reached():
        store.migrate(url)


@store_app.command("prune")
def store_prune(
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Such as 90d.")], url: StoreUrl = STORE
) -> None:
    """Delete predictions and feedback older than this, texts included."""
    before = now() - duration("--older-than", older_than)
    with opened(url) as store:
        gone = store.prune(before)
    for table, rows in gone.items():
        typer.echo(f"{table}: {rows} rows deleted")


def main() -> None:
    """Run the command; a user's error is one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):  # a terminal of another encoding shows escapes instead of failing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    commands.run(app)

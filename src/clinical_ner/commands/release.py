"""The commands by which a model goes out, is taken back, is listed and is fetched."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from clinical_ner.core.errors import UserError
from clinical_ner.serving.places import MODEL

if TYPE_CHECKING:
    from clinical_ner.core.params import Params
    from clinical_ner.ner.corpora import Corpus
    from clinical_ner.ner.tagger import Tagger
    from clinical_ner.promotion.comparison import Benchmark
    from clinical_ner.promotion.decision import Decision
    from clinical_ner.promotion.registry import Event, Registry

REFUSED = 1  # the exit code: 2 is the user's error, and 0 that it is out
Stage = Literal["dev", "prod"]
Remote = Annotated[str, typer.Option(help="Of git; the tags come from there and go there.")]
Repository = Annotated[Path, typer.Option("--repository", help="A clone, its top folder.")]
HERE = Path()


class Inputs(NamedTuple):
    """The folders that the test sets are read from."""

    dataset: Path = Path("data/dataset")
    vocabulary: Path = Path("data/vocabulary")
    notes: Path = Path("data/notes")
    golden: Path = Path("tests/golden")
    annotated: Path = Path("data/annotated")
    held_back: Path = Path("data/held_back")


OWN, PARAMS = Inputs(), Path("params.yaml")  # of the pipeline


class Judged(NamedTuple):
    """A comparison and what came of it, for people and for programs."""

    decision: Decision
    as_json: dict[str, Any]
    as_markdown: str


def promote(
    challenger: Annotated[Path, typer.Argument(help="The model that is to go out.")] = MODEL,
    stage: Annotated[Stage, typer.Option(help="dev: to be tried; the floors alone count.")] = "prod",
    champion: Annotated[str | None, typer.Option(help="With --dry-run: another version, or a *.crfsuite.")] = None,
    without_champion: Annotated[bool, typer.Option(help="The one in prod cannot be read: the floors count.")] = False,
    corpus: Annotated[list[Path] | None, typer.Option(help="Annotated text not trained on; may be repeated.")] = None,
    corpus_format: Annotated[list[str] | None, typer.Option("--format", help="Of each --corpus.")] = None,
    label_map: Annotated[list[str] | None, typer.Option("--map", metavar="SOURCE=LABEL")] = None,
    version: Annotated[str | None, typer.Option(help="Such as v2.0.0; default: the next minor one.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Compare and decide; register nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write decision.json and decision.md into this folder.")] = None,
    remote: Remote = "origin",
    dataset: Annotated[Path, typer.Option()] = OWN.dataset,
    vocabulary: Annotated[Path, typer.Option()] = OWN.vocabulary,
    notes: Annotated[Path, typer.Option()] = OWN.notes,
    golden: Annotated[Path, typer.Option()] = OWN.golden,
    annotated: Annotated[Path, typer.Option(help="What was trained on.")] = OWN.annotated,
    held_back: Annotated[Path, typer.Option(help="Corpora, beside any --corpus.")] = OWN.held_back,
    params_file: Annotated[Path, typer.Option("--params")] = PARAMS,
) -> None:
    """Let a model go out if it is better than the one in prod; exits 1, with reasons, if it is not."""
    from clinical_ner.core import params
    from clinical_ner.ner.tagger import Tagger
    from clinical_ner.promotion import registry, release

    if champion and not dry_run:
        raise UserError("--champion: a release is compared with the one in prod", "add --dry-run, or leave it out")
    settings = params.load(params_file)
    inputs = Inputs(dataset, vocabulary, notes, golden, annotated, held_back)
    versions = registry.Registry.open(HERE, remote)
    commit = "" if dry_run else release.require_committed(HERE)
    if not dry_run:
        release.require_locked(HERE, commit, challenger)
        release.require_unchanged(HERE, _read(inputs, params_file))
        release.require_pushed(HERE)
    tagger = Tagger.load(challenger)
    with tempfile.TemporaryDirectory(prefix="clinical-ner-") as scratch:
        present = versions.current(registry.PROD)
        rival = (
            None if stage == registry.DEV or without_champion else _champion(versions, champion, present, Path(scratch))
        )
        if not dry_run and rival and rival[1].manifest.version == tagger.manifest.version:
            pushed = versions.push()
            return typer.echo(f"{rival[0]} is this model, and in prod already{_told(pushed)}")
        if not dry_run:
            _refuse_what_was_taken_back(versions, commit, stage)
        corpora = _corpora(corpus or [], corpus_format or [], label_map or [], inputs.held_back)
        judged = _judge(tagger, rival, corpora, inputs, settings, {"stage": stage, "commit": commit})
    _write(report, judged)
    typer.echo(json.dumps(judged.as_json, indent=2) if as_json else judged.as_markdown)
    if not judged.decision.is_promoted:
        raise typer.Exit(REFUSED)
    if not dry_run:
        typer.echo(_release(versions, commit, version, stage, judged), err=as_json)
    return None


def _read(inputs: Inputs, params_file: Path) -> Iterator[Path]:
    """What of the pipeline's own folders is read; tracked by DVC, here or not, and so without what git tracks.

    Raises:
        UserError: a folder, or the file of the rule's numbers, is another one.
    """
    if params_file != PARAMS:
        raise UserError(f"--params: a release is judged by {PARAMS}", "leave it out, or only compare: --dry-run")
    from clinical_ner.ner.corpora import is_aside

    for name, own, given in zip(Inputs._fields, OWN, inputs, strict=True):
        if given != own:
            raise UserError(
                f"--{name.replace('_', '-')}: a release is judged by {own}", "leave it out, or only compare: --dry-run"
            )
    yield from (inputs.dataset, inputs.vocabulary, inputs.notes)
    for folder in (inputs.annotated, inputs.held_back):
        yield from (pointer.with_suffix("") for pointer in sorted(folder.glob("*.dvc")))
        yield from (file for file in sorted(folder.rglob("*")) if file.is_file() and not is_aside(file))


def _refuse_what_was_taken_back(versions: Registry, commit: str, stage: Stage) -> None:
    """The test sets say of it what they said before; that it was bad, people found out.

    Raises:
        UserError: the commit's version was in the stage, and a rollback took it out.
    """
    from clinical_ner.promotion import registry

    name = versions.version_at(commit)
    if name in registry.taken_back(versions.events(), stage):
        raise UserError(
            f"{name} was in {stage} and was taken back",
            f"promote another commit, or put it back all the same: 'clinical-ner rollback --to {name}'",
        )


def _champion(
    versions: Registry, chosen: str | None, present: Event | None, scratch: Path
) -> tuple[str, Tagger] | None:
    """The model to be compared with and its name: the one in prod, or the one chosen; none if there is none."""
    from clinical_ner.ner.tagger import Tagger
    from clinical_ner.promotion import release

    if chosen and chosen.endswith(".crfsuite"):
        return chosen, Tagger.load(Path(chosen))
    event = _version(versions.events(), chosen) if chosen else present
    if event is None:
        return None
    path = release.fetch(str(versions.root), event, scratch / event.version, replace=True)
    return event.version, Tagger.load(path)


def _version(events: Sequence[Event], name: str) -> Event:
    """The registration of a version.

    Raises:
        UserError: there is none.
    """
    known = {event.version: event for event in events if event.stage is None}
    if name not in known:
        raise UserError(f"there is no version {name}", f"known: {', '.join(known) or 'none'}")
    return known[name]


def _corpora(paths: list[Path], formats: list[str], label_map: list[str], held_back: Path) -> dict[str, Corpus]:
    """The annotated corpora by short name, with those that corrections were held back in, by their folder.

    Raises:
        UserError: a format or a name cannot be, or something held back was not pulled.
    """
    from clinical_ner.corrections.acceptance import NOTES
    from clinical_ner.ner.annotated import require_pulled
    from clinical_ner.ner.corpora import Format, parse_map, read_corpus, short_names
    from clinical_ner.ner.report import GOLDEN, HELD_OUT, UNSEEN_TEMPLATES

    if len(paths) != len(formats):
        raise UserError(f"{len(paths)} --corpus, {len(formats)} --format", "give each corpus its format, in order")
    unknown = [name for name in formats if name not in list(Format)]
    if unknown:
        raise UserError(f"--format: no format '{unknown[0]}'", f"choose from {', '.join(Format)}")
    require_pulled(held_back)
    kept = {path.resolve(): f"{held_back.name}/{path.parent.name}" for path in sorted(held_back.glob(f"*/{NOTES}"))}
    others = {path: Format(name) for path, name in zip(paths, formats, strict=True) if path.resolve() not in kept}
    names = short_names(list(others)) if others else []
    taken = [name for name in names if name in {HELD_OUT, UNSEEN_TEMPLATES, GOLDEN}]
    if taken:
        raise UserError(f"--corpus: '{taken[0]}' is the name of another test set", "rename the file or the folder")
    mapping = parse_map(label_map)
    read = {name: read_corpus(path, others[path], mapping) for name, path in zip(names, others, strict=True)}
    return read | {name: read_corpus(path, Format.JSONL) for path, name in kept.items()}


def _judge(
    tagger: Tagger,
    rival: tuple[str, Tagger] | None,
    corpora: dict[str, Corpus],
    inputs: Inputs,
    settings: Params,
    about: dict[str, Any],
) -> Judged:
    """Let both read all test sets, and decide."""
    from clinical_ner.ner import ablation
    from clinical_ner.ner.annotated import read_folder
    from clinical_ner.ner.evaluation import span_reader
    from clinical_ner.promotion import benchmarks, decision, speed
    from clinical_ner.promotion.comparison import compare, terms_learnt

    own = settings.promote
    by_hand = [_golden(inputs), *(benchmarks.annotated(name, found) for name, found in corpora.items())]
    known = [document for joined in read_folder(inputs.annotated) for document in joined.corpus.documents]
    benchmarks.require_untrained(by_hand, known)
    sets = [*_synthetic(tagger, inputs, settings), *by_hand]
    champion = rival[1] if rival else None
    readers = (cache(span_reader(tagger)), cache(span_reader(champion)) if champion else None)
    compared = [compare(benchmark, *readers, own, len(sets)) for benchmark in sets]
    learnt = None if readers[1] is None else terms_learnt(known, readers[0], readers[1])
    texts = [each.text for each in ablation.sampled(sets[0].documents, own.speed_texts, own.seed, "speed")]
    measured = speed.measure(tagger, champion, texts, own.speed_rounds)
    decided = decision.decide(compared, measured, own)
    models = {
        "challenger": {"model_version": tagger.manifest.version},
        "champion": rival and {"version": rival[0], "model_version": rival[1].manifest.version},
        "new_terms": None if learnt is None else len(learnt),
    }
    title = f"Model {tagger.manifest.version} against {rival[0] if rival else 'the floors'}"
    return Judged(
        decided,
        decision.as_json(compared, measured, decided, about | models),
        decision.as_markdown(compared, measured, decided, title),
    )


def _synthetic(tagger: Tagger, inputs: Inputs, settings: Params) -> list[Benchmark]:
    from clinical_ner.core import io
    from clinical_ner.core.schema import TOKENS
    from clinical_ner.ner import held_out
    from clinical_ner.ner.dataset import common_concepts, examples_of
    from clinical_ner.promotion import benchmarks

    unread = held_out.read_held_out(inputs.notes, inputs.dataset)
    examples = examples_of(io.read(TOKENS, inputs.dataset))
    common = common_concepts(io.read_vocabulary(inputs.vocabulary))
    slices = held_out.Slices(unread, examples, tagger.gazetteer, settings.dataset, common)
    return benchmarks.synthetic(unread, slices)


def _golden(inputs: Inputs) -> Benchmark:
    from clinical_ner.ner.golden import read_golden
    from clinical_ner.promotion import benchmarks

    return benchmarks.golden(read_golden(inputs.golden))


def _write(folder: Path | None, judged: Judged) -> None:
    from clinical_ner.core import files

    if folder:
        files.write_json(folder / "decision.json", judged.as_json)
        files.write_text(folder / "decision.md", judged.as_markdown)


def _release(versions: Registry, commit: str, version: str | None, stage: str, judged: Judged) -> str:
    """Register the commit, assign it and push; every step that is done already is left out."""
    from clinical_ner.promotion import decision, registry

    kept = decision.summary(judged.as_json)
    model = kept["challenger"]["model_version"]
    name = versions.register(commit, registry.tag_text(f"Model {model}", kept), version)
    for step in registry.STAGES[: registry.STAGES.index(stage) + 1]:
        versions.assign(name, step, registry.tag_text(f"{name} to {step}", kept))
    return f"{name} is in {stage}{_told(versions.push())}"


def _told(pushed: list[str]) -> str:
    return f"; pushed: {', '.join(pushed)}" if pushed else ""


def rollback(
    to: Annotated[str | None, typer.Option(metavar="VERSION", help="Default: the one that was there before.")] = None,
    stage: Annotated[Stage, typer.Option()] = "prod",
    remote: Remote = "origin",
) -> None:
    """Put an earlier version back; running it again after a kill ends what was begun."""
    from clinical_ner.promotion import registry

    versions = registry.Registry.open(HERE, remote)
    events = versions.events()
    present = versions.current(stage)
    if to is None and present and present.decision is None and present.tag in versions.unpushed():
        versions.push()
        return typer.echo(f"{present.version} is in {stage}; an earlier command had not pushed it, now it is")
    wanted = _version(events, to).version if to else registry.previous(events, stage)
    if present is None or wanted is None:
        raise UserError(f"no version was in {stage} before this one", "see 'clinical-ner versions'; name one with --to")
    if versions.assign(wanted, stage, f"{wanted} back to {stage}, instead of {present.version}"):
        return typer.echo(f"{wanted} is in {stage} instead of {present.version}{_told(versions.push())}")
    return typer.echo(f"{wanted} is in {stage} already{_told(versions.push())}")


def versions_table(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False, remote: Remote = "origin"
) -> None:
    """List the versions of the model: when, by whom, in which stages, with which figures."""
    from clinical_ner.promotion import listing, registry

    rows = listing.rows(registry.Registry.open(HERE, remote).events())
    typer.echo(json.dumps(rows, indent=2) if as_json else listing.table(rows))


def fetch(
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    stage: Annotated[Stage, typer.Option()] = "prod",
    version: Annotated[str | None, typer.Option(help="This one instead of that of a stage.")] = None,
    force: Annotated[bool, typer.Option(help="Replace files of the same names in OUT.")] = False,
    repository: Repository = HERE,
    remote: Remote = "origin",
) -> None:
    """Get a released model out of DVC's remote, checked, with `version.json` beside it."""
    from clinical_ner.promotion import registry, release

    versions = registry.Registry.open(repository, remote)
    event = _version(versions.events(), version) if version else versions.current(stage)
    if event is None:
        raise UserError(f"no version is in {stage}", "promote one: 'clinical-ner promote'")
    path = release.fetch(str(repository), event, out, replace=force)
    typer.echo(f"{path}: {event.version}")

"""`clinical-ner notes generate`, and `population generate` in parts: any number of people who do not exist."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clinical_ner import __version__
from clinical_ner.commands.batch import Scheduler, Workers, carry_out
from clinical_ner.core import params

if TYPE_CHECKING:
    from clinical_ner.core.params import PopulationParams

notes = typer.Typer(no_args_is_help=True, help="Notes about people who do not exist, with gold entities.")

Size = Annotated[int | None, typer.Option("--size", "--patients", min=1, help="How many people; default: params.yaml.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Other people for another seed.")]


@notes.command("generate")
def generate_notes(
    out: Annotated[str, typer.Argument(help="The folder to write; run it again to continue.")],
    size: Size = None,
    seed: Seed = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    vocabulary: Annotated[Path, typer.Option(help="The folder of the stage vocabulary.")] = Path("data/vocabulary"),
    params_file: Annotated[Path, typer.Option("--params")] = Path("params.yaml"),
) -> None:
    """Write notes about any number of people, in parts: the same bytes whoever works. Literature is left out."""
    from clinical_ner.batch.generation import PATIENTS_A_SHARD, stretches, write_stretch_of_notes
    from clinical_ner.batch.places import Place
    from clinical_ner.batch.runs import Run
    from clinical_ner.core import io

    settings = params.load(params_file)
    people, place = asked(settings.population, size, seed), Place(out)
    of_patients = settings.notes.model_copy(update={"literature_texts": 0})
    io.read_vocabulary(vocabulary)  # what is wrong with it is said now
    words = io.digests(io.VOCABULARY, vocabulary)
    work = partial(write_stretch_of_notes, of_patients, str(vocabulary.resolve()), words)
    jobs = stretches(people, place, PATIENTS_A_SHARD)
    about = described("notes generate", people) | {"notes": of_patients.model_dump(mode="json"), "vocabulary": words}
    carry_out(Run(work, jobs, place, about, "notes"), workers, scheduler)


def generate_people_in_parts(out: str, people: PopulationParams, workers: int | None, scheduler: str | None) -> None:
    """Write the records of the people as a folder a table, of parts; a run that was killed is continued."""
    from clinical_ner.batch.generation import stretches, write_people
    from clinical_ner.batch.places import Place
    from clinical_ner.batch.runs import Run
    from clinical_ner.population.writing import ROW_GROUP

    place = Place(out)
    jobs = stretches(people, place, ROW_GROUP)
    carry_out(Run(write_people, jobs, place, described("population generate", people), "people"), workers, scheduler)


def asked(section: PopulationParams, size: int | None, seed: int | None) -> PopulationParams:
    """The parameters with what the command line says instead."""
    given = {"patients": size, "seed": seed}
    return section.model_copy(update={name: value for name, value in given.items() if value is not None})


def described(command: str, people: PopulationParams) -> dict[str, Any]:
    """What the run is of."""
    return {"command": command, "clinical_ner": __version__, "population": people.model_dump(mode="json")}

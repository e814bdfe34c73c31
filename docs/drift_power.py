"""Measure how often drift is called where there is none, and how often it is missed where there is some.

    python docs/drift_power.py              windows of 300, 1000 and 2000 notes; many minutes
    python docs/drift_power.py --windows 300 --undrifted 100 --shifted 20    a quick look

Windows are drawn from notes of people who are neither in the training data nor in the reference. Of a shifted window
10 % or 25 % of the notes are replaced by notes of other people, written or read otherwise. The decision is that of
`monitor run`, both witnesses together; a row counts windows that are an alert. Writes docs/drift_power.json and .md.
"""

from __future__ import annotations

import quopri
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from typer import Option, echo

from clinical_ner.core import files, io, params
from clinical_ner.core.commands import run
from clinical_ner.core.figures import FIGURES
from clinical_ner.core.schema import LEXICON, REFERENCE
from clinical_ner.core.seeds import stream
from clinical_ner.core.span import DISEASE
from clinical_ner.monitoring import drift
from clinical_ner.monitoring.distances import Matrix, normalised_distances, numbers
from clinical_ner.monitoring.gauges import ALERT, NONE
from clinical_ner.monitoring.separation import separation
from clinical_ner.ner.tagger import Tagger
from clinical_ner.notes.charts import POPULATION, Record, record_of
from clinical_ner.notes.tables import Writing, write_notes
from clinical_ner.notes.terms import Lexis, lexis
from clinical_ner.population.catalogue import diseases
from clinical_ner.population.sample import sample_population

ROOT = Path(__file__).parents[1]
SEED = 70_401  # of the draws
PEOPLE = 2_000  # of whom the undrifted windows are drawn
SHIFTED_PEOPLE = 90
WARDS = 1_500  # people from whom the wards choose
NEOPLASM = r"C|D[0-4]"  # codes of ICD-10-CM
SHARES = (0.10, 0.25)


FUNCTION_WORDS = frozenset(
    "a an the of was were is are has had have and with for her his she he to in on".split()  # noqa: SIM905
)
SYLLABLES = "bra cor dil fen gru lam mib nor pex quo rit sul tav umo vex".split()  # noqa: SIM905


class Clinic(NamedTuple):
    """People, and what their notes are written with."""

    record: Record
    words: Lexis
    knobs: params.NotesParams
    end: date

    def notes_of(self, people: list[str], literature: int = 0) -> Writing:
        """The notes about these people, or literature about nobody."""
        chosen = Record(*(table[table["patient_id"].isin(people)] for table in self.record))
        knobs = self.knobs.model_copy(update={"literature_texts": literature})
        return write_notes(chosen, self.words, knobs, self.end)


def clinic(people: int, past: int) -> Clinic:
    """The next people of the repository's population after those of the stages and so many more."""
    settings, vocabulary = params.load(ROOT / "params.yaml"), io.read_vocabulary(ROOT / "data/vocabulary")
    first = settings.population.patients + settings.drift.reference_patients + past
    sampled = sample_population(settings.population, first, first + people)
    record = record_of(*(getattr(sampled, table.name) for table in POPULATION))
    words = lexis(vocabulary, diseases())
    knobs = settings.notes.model_copy(update={"literature_texts": 0})
    return Clinic(record, words, knobs, settings.population.reference_date)


# --- shifts ------------------------------------------------------------------------------------
def shifts(other: Clinic) -> Iterator[tuple[str, list[str]]]:
    """The kind and the name of each shift, and the texts."""
    written = other.notes_of(list(other.record.patients["patient_id"][:SHIFTED_PEOPLE]))
    texts = list(written.notes["text"])
    yield "new vocabulary: terms never trained on", reworded(written, held_out_terms())
    yield "new vocabulary: invented names", reworded(written, invented_terms())
    yield "new style: telegraphic, lower case", [telegraphic(text) for text in texts]
    yield "new style: all capitals", [text.upper() for text in texts]
    yield "new style: case reports and abstracts", list(other.notes_of([], 270).notes["text"])
    everybody = other.notes_of(list(other.record.patients["patient_id"]))
    years = ages(everybody, other)
    yield "new patients: infants and toddlers", list(everybody.notes["text"][years < 3])
    yield "new patients: over 75", list(everybody.notes["text"][years > 75])
    yield "new patients: oncology", list(everybody.notes["text"][about(everybody, NEOPLASM)])
    yield "new patients: surgical ward", list(everybody.notes["text"][everybody.notes["kind"] == "operative"])
    yield "broken encoding: UTF-8 read as Windows-1252", [garbled(text) for text in texts]
    yield "broken encoding: quoted-printable left in", [quopri.encodestring(text.encode()).decode() for text in texts]
    yield "broken encoding: letters lost", [text.replace("i", "\ufffd") for text in texts]


def reworded(written: Writing, term: Callable[[str], str]) -> list[str]:
    """The texts with each entity named otherwise."""
    spans = dict(iter(written.entities.sort_values("start", ascending=False).groupby("note_id")))
    texts = []
    none = written.entities.iloc[:0]
    for note_id, text in zip(written.notes["note_id"], written.notes["text"], strict=True):
        found = spans.get(note_id, none)
        for start, end, label in zip(found["start"], found["end"], found["label"], strict=True):
            text = text[:start] + term(label) + text[end:]
        texts.append(text)
    return texts


def held_out_terms() -> Callable[[str], str]:
    """Draws names of diseases and drugs that the model has never seen in any list."""
    vocabulary, known = io.read_vocabulary(ROOT / "data/vocabulary"), io.read(LEXICON, ROOT / "data/dataset")["term"]
    diseases, drugs = (
        list(table["term"][~table["term"].isin(known)]) for table in (vocabulary.diseases, vocabulary.drugs)
    )
    draws = stream(SEED, "held out")
    return lambda label: str(draws.choice(diseases if label == DISEASE else drugs))


def invented_terms() -> Callable[[str], str]:
    """Draws names that nobody has."""
    draws = stream(SEED, "invented")
    return lambda label: "".join(draws.choice(SYLLABLES, 3)) + ("osis" if label == DISEASE else "mab")


def telegraphic(text: str) -> str:
    """The text in lower case on one line, without function words and full stops."""
    return " ".join(word.rstrip(".,;:") for word in text.lower().split() if word not in FUNCTION_WORDS)


def garbled(text: str) -> str:
    """The text as typesetters write it, read by the wrong table."""
    typeset = text.replace("'", "’").replace(" - ", " – ").replace("e", "é", 2)
    return typeset.encode().decode("cp1252", "replace")


def ages(written: Writing, other: Clinic) -> pd.Series:
    """How old the patient of each note was when it was written, in years."""
    born = other.record.patients.set_index("patient_id")["birth_date"]
    days = pd.to_datetime(written.notes["written_on"]) - pd.to_datetime(written.notes["patient_id"].map(born))
    return days.dt.days / 365.25


def about(written: Writing, codes: str) -> pd.Series:
    """Of which notes half of the diseases or more have such codes."""
    vocabulary = io.read_vocabulary(ROOT / "data/vocabulary").diseases
    such = set(vocabulary.loc[vocabulary["icd10cm"].str.match(codes, na=False), "concept_id"])
    diseases = written.entities[written.entities["label"] == DISEASE]
    share = diseases["concept_id"].isin(such).groupby(diseases["note_id"]).mean()
    return written.notes["note_id"].map(share).fillna(0.0) >= 0.5


# --- windows -----------------------------------------------------------------------------------
class Judge:
    """The decision of `monitor run`, without the pages."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._reference = io.read(REFERENCE, folder)
        self._numbers = numbers(self._reference)
        self._thresholds = drift.from_json(files.read_json(folder / "thresholds.json"))
        self._seed = seed

    def verdict(self, window: Matrix) -> str:
        """`none`, `watch` or `alert`."""
        own = drift.thresholds_for(self._thresholds, len(window))
        distances = dict(zip(FIGURES, normalised_distances(self._numbers, window).tolist(), strict=True))
        apart = separation(self._reference, pd.DataFrame(window, columns=list(FIGURES)), self._seed)
        return drift.verdict(distances, apart, own)


def windows(
    usual: Matrix, per_patient: int, size: int, count: int, shifted: Matrix | None = None, share: float = 0.0
) -> Iterator[Matrix]:
    """Windows of whole patients, of which a share of the notes are others."""
    draws = stream(SEED, f"windows/{size}/{share}")
    for _ in range(count):
        patients = draws.permutation(len(usual) // per_patient)[: -(-size // per_patient)]
        window = usual[(patients[:, None] * per_patient + np.arange(per_patient)).ravel()[:size]].copy()
        if shifted is not None:
            places = draws.permutation(size)[: round(size * share)]
            window[places] = shifted[draws.integers(len(shifted), size=len(places))]
        yield window


def alerts(judge: Judge, drawn: Iterator[Matrix]) -> dict[str, float]:
    """How many windows there are, and the shares of those that are an alert, and that are at least watched."""
    verdicts = [judge.verdict(window) for window in drawn]
    return {
        "windows": len(verdicts),
        "alert": verdicts.count(ALERT) / len(verdicts),
        "watch or alert": 1 - verdicts.count(NONE) / len(verdicts),
    }


def profiled(tagger: Tagger, texts: list[str]) -> Matrix:
    """The figures of texts."""
    day = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame({"note_id": map(str, range(len(texts))), "patient_id": None, "written_on": day, "text": texts})
    return numbers(drift.profile_notes(tagger, frame))


def table(found: dict[str, Any]) -> str:
    """The shares as Markdown: alerts, and in brackets what is watched too."""
    sizes = list(found)
    rows = [
        f"| shift | share of the notes | windows | {' | '.join(f'{size} notes' for size in sizes)} |",
        "|---|--:|--:|" + "--:|" * len(sizes),
    ]
    for row in found[sizes[0]]:
        name, _, share = row.partition("@")
        cells = (f"{found[size][row]['alert']:.1%} ({found[size][row]['watch or alert']:.1%})" for size in sizes)
        rows.append(f"| {name} | {share} | {found[sizes[0]][row]['windows']} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main(
    reference: Annotated[Path, Option(help="Of the stage drift.")] = ROOT / "data/drift",
    model: Annotated[Path, Option()] = ROOT / "models/tagger.crfsuite",
    sizes: Annotated[str, Option("--windows", help="Notes in a window, with commas.")] = "300,1000,2000",
    undrifted: Annotated[int, Option(help="Windows without a shift.")] = 500,
    shifted: Annotated[int, Option(help="Windows of each shift.")] = 40,
    out: Annotated[Path, Option()] = ROOT / "docs",
) -> None:
    """Print the table and write it to OUT/drift_power.json and OUT/drift_power.md."""
    tagger, judge = Tagger.load(model), Judge(reference, params.load(ROOT / "params.yaml").drift.seed)
    home, other = clinic(PEOPLE, 0), clinic(WARDS, PEOPLE)
    usual = profiled(tagger, list(home.notes_of(list(home.record.patients["patient_id"])).notes["text"]))
    changed = {name: profiled(tagger, texts) for name, texts in shifts(other)}
    found: dict[str, Any] = {}
    for size in map(int, sizes.split(",")):
        per_patient = home.knobs.notes_per_patient
        rows = {"none@0%": alerts(judge, windows(usual, per_patient, size, undrifted))}
        for name, values in changed.items():
            for share in SHARES:
                drawn = windows(usual, per_patient, size, shifted, values, share)
                rows[f"{name}@{share:.0%}"] = alerts(judge, drawn)
        found[str(size)] = rows
    files.write_json(out / "drift_power.json", found)
    files.write_text(out / "drift_power.md", table(found))
    echo(table(found))


if __name__ == "__main__":
    run(main)

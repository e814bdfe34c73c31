"""The command `clinical-ner` as a user runs it; a small model of its own where the answer is worked out by hand."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd
import pytest
import yaml

from clinical_ner.cli import main
from clinical_ner.core import files, params
from clinical_ner.core.io import write
from clinical_ner.core.schema import CALIBRATION, LEXICON, PROCEDURES, SUBSTANCES, TOKENS
from clinical_ner.core.schema import DISEASES as DISEASES_TABLE
from clinical_ner.core.schema import DRUGS as DRUGS_TABLE
from clinical_ner.ner import model, training
from clinical_ner.ner.corpora import Format, digest, read_corpus
from clinical_ner.ner.dataset import token_table
from clinical_ner.ner.extraction import extract
from clinical_ner.ner.output import COLUMNS
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example
from clinical_ner.population.writing import write_population

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("clinical-ner")
MARKED = re.compile(r"\{(\w+):([^}]*)\}")  # a mention in a text of this file: {LABEL:surface}

DISEASES = ("asthma", "heart failure", "gout", "pneumonia")
DRUGS = ("aspirin", "insulin glargine", "metformin", "furosemide")
LEARNT = [
    line
    for number, disease in enumerate(DISEASES)
    for drug in (DRUGS[number], DRUGS[number - 1])
    for line in (
        f"She has {{DISEASE:{disease}}} and takes {{TREATMENT:{drug}}}.",
        f"No {{DISEASE:{disease}}} was found today.",
        f"{{TREATMENT:{drug}}} was given for {{DISEASE:{disease}}}.",
        "The patient slept well.",
    )
]
NOTE = "She has asthma and takes aspirin."
FOUND = {
    "entities": [("DISEASE", 8, 14, "asthma"), ("TREATMENT", 25, 32, "aspirin")],
    "treatments": {"asthma": ["aspirin"]},
}
FIELDS = ["start", "end", "label", "text", "confidence", "assertion", "trigger", "section", "concept"]
NOTE_WORD = "Quokkafieber"  # stands for what must not leave a note


# --- the command -----------------------------------------------------------------------------------
class Outcome(NamedTuple):
    code: int
    out: str
    err: str


class Cli(Protocol):
    def __call__(self, *arguments: object, given: bytes = b"") -> Outcome: ...


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command in this process: from its arguments and its input to its exit code and its output."""

    def run(*arguments: object, given: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["clinical-ner", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as ended:
            main()
        return Outcome(int(ended.value.code or 0), *capsys.readouterr())

    return run


def installed(*arguments: object, given: bytes = b"", **variables: str) -> Outcome:
    """The installed command in a process of its own."""
    words = [str(COMMAND), *map(str, arguments)]
    done = subprocess.run(words, input=given, env=os.environ | variables, capture_output=True, check=False)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def assert_refused(outcome: Outcome, message: str) -> None:
    """One message with its remedy, exit code 2, and nothing else anywhere."""
    assert (outcome.code, outcome.out) == (2, "")
    assert re.fullmatch(rf"error: [^\n]*{message}[^\n]*\n  remedy: [^\n]+\n", outcome.err), outcome.err
    assert NOTE_WORD not in outcome.err


# --- corpora and a model that are small enough to be worked out by hand ------------------------------
Mention = tuple[int, int, str]


def annotated(marked: str) -> tuple[str, list[Mention]]:
    """A text without its marks, and its mentions."""
    text, mentions, past = "", [], 0
    for found in MARKED.finditer(marked):
        text += marked[past : found.start()]
        mentions.append((len(text), len(text) + len(found[2]), found[1]))
        text, past = text + found[2], found.end()
    return text + marked[past:], mentions


def write_jsonl(folder: Path, marked: list[str]) -> Path:
    path = folder / "corpus.jsonl"
    lines = []
    for number, (text, mentions) in enumerate(map(annotated, marked)):
        entities = [{"start": start, "end": end, "label": label} for start, end, label in mentions]
        lines.append(json.dumps({"id": f"n{number}", "text": text, "entities": entities}) + "\n")
    path.write_text("".join(lines), "utf-8")
    return path


def write_brat(folder: Path, marked: list[str]) -> Path:
    for number, (text, mentions) in enumerate(map(annotated, marked)):
        lines = [f"T{n}\t{label} {a} {b}\t{text[a:b]}\n" for n, (a, b, label) in enumerate(mentions, 1)]
        (folder / f"n{number}.txt").write_text(text, "utf-8")
        (folder / f"n{number}.ann").write_text("".join(lines), "utf-8")
    return folder


def tagged(marked: str) -> list[tuple[str, str, bool]]:
    """The words of a text, the label of each or O, and whether a mention begins there."""
    rows = []
    for part in re.split(r"(\{[^}]*\})", marked):
        label = part[1:].partition(":")[0] if part.startswith("{") else "O"
        words = re.findall(r"\w+|\.", part.partition(":")[2][:-1] if label != "O" else part)
        rows += [(word, label, position == 0) for position, word in enumerate(words)]
    return rows


def write_conll(folder: Path, marked: list[str]) -> Path:
    def tag(label: str, begins: bool) -> str:
        return label if label == "O" else f"{'B' if begins else 'I'}-{label}"

    path = folder / "corpus.conll"
    blocks = ["".join(f"{word}\t{tag(label, begins)}\n" for word, label, begins in tagged(line)) for line in marked]
    path.write_text("\n".join(blocks), "utf-8")
    return path


def write_dt(folder: Path, marked: list[str]) -> Path:
    rows = [row for line in marked for row in [*tagged(line), ("", "", False)]]
    (folder / "corpus_sent").write_text("".join(f"{word}\n" for word, _, _ in rows), "utf-8")
    (folder / "corpus_label").write_text(
        "".join(f"{'O' if label == 'O' else label[:1]}\n" for _, label, _ in rows), "utf-8"
    )
    return folder / "corpus"


WRITERS = {Format.BRAT: write_brat, Format.CONLL: write_conll, Format.DT: write_dt, Format.JSONL: write_jsonl}


class Workshop(NamedTuple):
    """What `train` needs besides a corpus: a folder as `dataset` and `vocabulary` leave it, and parameters."""

    dataset: Path
    params: Path

    @property
    def options(self) -> tuple[object, ...]:
        return "--dataset", self.dataset, "--vocabulary", self.dataset, "--params", self.params


VOCABULARY = (
    (DISEASES_TABLE, ("gout", "D006073", "Gout", False, "M10.9", True)),
    (DRUGS_TABLE, ("allopurinol", "MESH:D000493", "allopurinol", False, True)),
    (PROCEDURES, ("dialysis", "OWN:dialysis", "procedure", True)),
    (SUBSTANCES, ("urate", "OWN:urate", True)),
)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    rows = [(name, "disease", f"D{n}") for n, name in enumerate(DISEASES)]
    rows += [(name, "drug", f"NAME:{name}") for name in DRUGS]
    write(LEXICON, pd.DataFrame(rows, columns=["term", "kind", "concept_id"]), folder)
    celiac = Example(["Celiac", "disease", "."], ["B-DISEASE", "I-DISEASE", "O"])
    write(TOKENS, token_table([celiac]), folder)
    write(CALIBRATION, token_table([celiac]), folder)
    for table, row in VOCABULARY:
        write(table, pd.DataFrame([row], columns=list(table.schema.columns)), folder)
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["train"] |= {"c1": 0.0, "c2": 0.1, "max_iterations": 30, "min_frequency": 0}
    params["train"] |= {"annotated_weight": 1.0, "rehearsed_sentences": 0, "gazetteer_dropout": 0.0}
    files.write_text(folder / "params.yaml", yaml.safe_dump(params))
    return Workshop(folder, folder / "params.yaml")


@pytest.fixture(scope="session")
def small_model(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the command trained on LEARNT; read only."""
    folder = tmp_path_factory.mktemp("model")
    corpus, out = write_jsonl(folder, LEARNT), folder / "small.crfsuite"
    trained = installed("train", corpus, "--format", "jsonl", "--out", out, *workshop.options)
    assert trained.code == 0, trained.err
    return out


@pytest.fixture
def damaged_model(small_model: Path, tmp_path: Path) -> Path:
    for suffix in (*model.PARTS, model.MANIFEST):
        shutil.copyfile(model.part(small_model, suffix), model.part(tmp_path / "small.crfsuite", suffix))
    content = bytearray((tmp_path / "small.crfsuite").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "small.crfsuite").write_bytes(content)
    return tmp_path / "small.crfsuite"


def text_file(folder: Path, content: str | bytes, name: str = "note.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_found(result: dict[str, Any], name: object) -> None:
    """The result is that of NOTE."""
    entities = [(e["label"], e["start"], e["end"], e["text"]) for e in result["entities"]]
    assert list(result) == ["id", "entities", "treatments"]
    assert result["id"] == str(name)
    assert {"entities": entities, "treatments": result["treatments"]} == FOUND
    assert all(list(e) == FIELDS for e in result["entities"])
    assert all(0.5 < e["confidence"] <= 1 for e in result["entities"])


# --- extract: where texts come from ------------------------------------------------------------------
def test_a_file_gives_one_object(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    path = text_file(tmp_path, NOTE)

    code, out, err = cli("extract", path, "--model", small_model)

    assert (code, err) == (0, "")
    assert_found(json.loads(out), path)


@pytest.mark.parametrize("arguments", [(), ("-",)], ids=["nothing", "a dash"])
def test_without_a_file_or_with_a_dash_the_text_is_read_from_the_input(
    cli: Cli, small_model: Path, arguments: tuple[str, ...]
) -> None:
    code, out, _ = cli("extract", *arguments, "--model", small_model, given=NOTE.encode())

    assert code == 0
    assert_found(json.loads(out), "-")


def test_several_files_and_the_input_give_a_list_in_their_order(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    first, last = text_file(tmp_path, "Gout.", "b.txt"), text_file(tmp_path, NOTE, "a.txt")

    code, out, _ = cli("extract", first, "-", last, "--model", small_model, given=NOTE.encode())

    results = json.loads(out)
    assert code == 0
    assert [result["id"] for result in results] == [str(first), "-", str(last)]
    assert_found(results[1], "-")
    assert_found(results[2], last)


def test_a_text_may_come_from_a_pipe_that_the_shell_names(small_model: Path) -> None:
    script = f'"$0" extract --model "$1" <(printf "%s" "{NOTE}")'

    words = ["bash", "-c", script, str(COMMAND), str(small_model)]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout

    result = json.loads(out)
    assert_found(result, result["id"])


def test_an_empty_text_has_nothing_in_it(cli: Cli, small_model: Path) -> None:
    code, out, _ = cli("extract", "--model", small_model)

    assert code == 0
    assert json.loads(out) == {"id": "-", "entities": [], "treatments": {}}


def test_the_model_can_be_named_in_the_environment(small_model: Path, tmp_path: Path) -> None:
    assert_refused(installed("extract", CLINICAL_NER_MODEL=str(tmp_path / "none.crfsuite")), r"none\.manifest\.json")

    code, out, _ = installed("extract", given=NOTE.encode(), CLINICAL_NER_MODEL=str(small_model))

    assert code == 0
    assert_found(json.loads(out), "-")


def test_the_installed_command_with_the_true_model_says_what_the_tagger_says(model_path: Path, tmp_path: Path) -> None:
    text = "62-year-old man with type 2 diabetes and atrial fibrillation.\nStarted metformin and apixaban.\n"
    path = text_file(tmp_path, text)

    code, out, err = installed("extract", path, "--model", model_path)

    assert (code, err) == (0, "")
    assert json.loads(out) == {"id": str(path), **extract(Tagger.load(model_path), text)}
    assert {"type 2 diabetes", "metformin"} <= {entity["text"] for entity in json.loads(out)["entities"]}


# --- extract: offsets --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "😀👩‍⚕️ She has asthma 💊 and takes aspirin 🇨🇭.",
        "Visit\r\n\r\nShe has asthma\r\nand takes aspirin.\r\n",
        "\ufeffShe has asthma and takes aspirin.",
        "Cafe\u0301 \u200b\tShe has\u00a0asthma\x0c and takes aspirin.\x00",
    ],
    ids=["emoji", "CR LF", "byte-order mark", "combining and invisible"],
)
def test_offsets_count_the_code_points_of_the_file_as_it_is(
    cli: Cli, small_model: Path, tmp_path: Path, text: str
) -> None:
    path = text_file(tmp_path, text)

    _, out, _ = cli("extract", path, "--model", small_model)

    entities = json.loads(out)["entities"]
    original = path.read_bytes().decode("utf-8")
    assert [(e["label"], e["text"]) for e in entities] == [("DISEASE", "asthma"), ("TREATMENT", "aspirin")]
    assert [original[e["start"] : e["end"]] for e in entities] == ["asthma", "aspirin"]


# --- extract: formats --------------------------------------------------------------------------------
def test_json_lines_have_an_object_a_line_even_for_one_text(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    path = text_file(tmp_path, NOTE)

    one = cli("extract", path, "--format", "jsonl", "--model", small_model).out
    two = cli("extract", path, "-", "--format", "jsonl", "--model", small_model, given=NOTE.encode()).out

    assert_found(json.loads(one), path)
    assert one.count("\n") == 1
    assert [json.loads(line)["id"] for line in two.splitlines()] == [str(path), "-"]


def test_csv_has_a_row_an_entity_under_a_line_of_names(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    paths = [text_file(tmp_path, NOTE, 'a "quoted", name.txt'), text_file(tmp_path, "It is late.", "b.txt")]

    code, out, _ = cli("extract", *paths, "--format", "csv", "--model", small_model)

    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert out.splitlines()[0] == ",".join(COLUMNS)
    assert [(row["assertion"], row["trigger"], row["concept_id"]) for row in rows] == [
        ("present", "has", ""),
        ("present", "takes", ""),
    ]
    assert [(row["label"], int(row["start"]), int(row["end"]), row["text"]) for row in rows] == FOUND["entities"]
    assert [row["id"] for row in rows] == [str(paths[0])] * 2
    assert all(0.5 < float(row["confidence"]) <= 1 for row in rows)


def test_fhir_is_a_bundle_a_text_about_the_subject_that_is_named(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    path = text_file(tmp_path, NOTE)

    one = json.loads(cli("extract", path, "--format", "fhir", "--subject", "Patient/7", "--model", small_model).out)
    two = json.loads(cli("extract", path, path, "--format", "fhir", "--model", small_model).out)

    resources = [entry["resource"] for entry in one["entry"]]
    assert [resource["resourceType"] for resource in resources] == ["Condition", "MedicationStatement"]
    assert all(resource["subject"] == {"reference": "Patient/7"} for resource in resources)
    assert [bundle["resourceType"] for bundle in two] == ["Bundle"] * 2


def test_letters_beyond_ascii_are_written_as_they_are(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    path = text_file(tmp_path, NOTE, "Größe.txt")

    assert "Größe.txt" in cli("extract", path, "--model", small_model).out


def test_the_table_is_a_format_too_and_names_the_treatments_of_a_disease(cli: Cli, small_model: Path) -> None:
    _, out, _ = cli("extract", "--format", "table", "--model", small_model, given=NOTE.encode())

    lines = [[word for word in re.split(r"[\s│┃]+", line) if word] for line in out.splitlines()]
    assert out.startswith(f"{NOTE}\n")
    assert ["span", "label", "text", "conf.", "assertion", "section", "concept"] in lines
    assert any(line[:3] == ["8-14", "DISEASE", "asthma"] for line in lines)
    assert ["asthma", "aspirin"] in lines


def on_a_terminal(text: str, model_path: Path) -> str:
    """What the installed command writes to a terminal, its codes included."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "CLINICAL_NER_MODEL": str(model_path)}
    env = {name: value for name, value in env.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    words = [str(COMMAND), "extract"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        assert process.stdin is not None
        process.stdin.write(text.encode())
        process.stdin.close()
        printed = b"".join(written(ours))
    os.close(ours)
    assert process.returncode == 0
    return printed.decode()


def written(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # on Linux: the other side is closed
            return
        if not chunk:
            return
        yield chunk


def test_a_terminal_gets_the_text_with_its_entities_marked_and_a_table(small_model: Path) -> None:
    printed = on_a_terminal(NOTE, small_model)

    marked = re.findall(r"\x1b\[1;\d+m([^\x1b]*)\x1b\[0m", printed.splitlines()[0])
    assert marked == ["asthma", "aspirin"]
    assert "assertion" in printed
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in printed.splitlines()) <= 100


def test_control_characters_of_a_note_neither_shift_the_marks_nor_reach_the_terminal(small_model: Path) -> None:
    printed = on_a_terminal(f"\x1b[2J\x07\x08\r\nVisit\r\n{NOTE}\x1b]0;owned\x07", small_model)

    assert re.findall(r"\x1b\[1;\d+m(\w*)\x1b\[0m", printed.partition("span")[0]) == ["asthma", "aspirin"]
    assert set(re.findall(r"\x1b[^m]*m?", printed)) <= {f"\x1b[{c}m" for c in ("0", "1", "3", "1;31", "1;36")}
    assert "\x07" not in printed


# --- extract: what is refused ------------------------------------------------------------------------
def test_a_file_that_is_not_utf8_is_refused_with_the_place(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    path = text_file(tmp_path, f"{NOTE_WORD} caf\xe9".encode("latin-1"))

    refused = cli("extract", path, "--model", small_model)

    assert_refused(refused, rf"{re.escape(str(path))} is not UTF-8: byte {len(NOTE_WORD) + 4}")


def test_nothing_is_printed_of_the_good_texts_when_another_is_bad(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    refused = cli("extract", text_file(tmp_path, NOTE), "-", "--model", small_model, given=b"\xff")

    assert_refused(refused, "- is not UTF-8: byte 0")


def test_a_missing_file_and_a_folder_are_refused_by_name(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "nowhere.txt", "No such file"), (tmp_path, "Is a directory")):
        refused = cli("extract", path, "--model", small_model)

        assert_refused(refused, rf"{re.escape(str(path))} cannot be read: {reason}")


def test_a_missing_model_is_refused_with_the_remedy(cli: Cli, tmp_path: Path) -> None:
    refused = cli("extract", "--model", tmp_path / "none.crfsuite", given=NOTE_WORD.encode())

    assert_refused(refused, r"none\.manifest\.json does not exist")
    assert "dvc pull" in refused.err


def test_a_damaged_model_is_refused_before_it_is_opened(cli: Cli, damaged_model: Path) -> None:
    refused = cli("extract", "--model", damaged_model, given=NOTE_WORD.encode())

    assert_refused(refused, r"small\.crfsuite is damaged or altered")


def test_the_installed_command_refuses_in_the_same_words(damaged_model: Path, tmp_path: Path) -> None:
    assert_refused(installed("extract", tmp_path / "nowhere.txt"), "cannot be read")
    assert_refused(installed("extract", "--model", damaged_model, given=NOTE_WORD.encode()), "damaged")


def test_an_unknown_format_is_refused_with_the_known_ones(cli: Cli) -> None:
    code, out, err = cli("extract", "--format", "xml")

    assert (code, out) == (2, "")
    assert all(name in err for name in ("table", "json", "jsonl", "csv"))


def test_the_help_names_the_three_commands(cli: Cli) -> None:
    code, out, _ = cli("--help")

    assert code == 0
    assert all(f" {name} " in out for name in ("extract", "evaluate", "train"))


# --- evaluate ----------------------------------------------------------------------------------------
GOLD = [  # what the small model finds: asthma, aspirin | gout | gout, insulin glargine | nothing
    "She has {DISEASE:asthma} and takes {TREATMENT:aspirin}.",
    "No {DISEASE:gout} was found today.",
    "She has gout and takes {TREATMENT:insulin} glargine.",
    "The patient {DISEASE:slept} well.",
]
# DISEASE: 2 right of 3 found and 3 gold. TREATMENT: 1 of 2 and 2. The 26 tokens, right of found and gold:
# D 2 of 3 and 3, T 2 of 3 and 2, O 19 of 20 and 21; so the weighted F1 is (3 * 4/6 + 2 * 4/5 + 21 * 38/41) / 26.
SCORES = {
    "micro": {"precision": 0.6, "recall": 0.6, "f1": 0.6, "support": 5},
    "per_label": {
        "DISEASE": {"precision": 0.666667, "recall": 0.666667, "f1": 0.666667, "support": 3},
        "TREATMENT": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
    },
    "token_weighted_f1": 0.887054,
    "tokens": 26,
}


def found_scores(outcome: Outcome) -> dict[str, Any]:
    """The scores that were printed, but for the speed."""
    assert (outcome.code, outcome.err) == (0, "")
    scores: dict[str, Any] = json.loads(outcome.out)
    assert scores.pop("tokens_per_second") > 0
    assert isinstance(scores.pop("unused"), list)
    return scores


def test_the_small_model_finds_what_the_scores_below_suppose(small_model: Path) -> None:
    tagger = Tagger.load(small_model)

    texts = [annotated(line)[0] for line in GOLD]

    found = [[text[entity.start : entity.end] for entity in tagger.tag(text)] for text in texts]
    assert found == [["asthma", "aspirin"], ["gout"], ["gout", "insulin glargine"], []]


@pytest.mark.parametrize("corpus_format", Format)
def test_every_format_gives_the_scores_that_were_worked_out_by_hand(
    cli: Cli, small_model: Path, tmp_path: Path, corpus_format: Format
) -> None:
    corpus = WRITERS[corpus_format](tmp_path, GOLD)

    evaluated = cli("evaluate", corpus, "--format", corpus_format, "--model", small_model, "--json")

    assert found_scores(evaluated) == SCORES


def test_the_tokens_of_a_corpus_are_counted_where_it_has_them(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    corpus = text_file(tmp_path, "She\tO\nhas\tO\nasthma\tB-DISEASE\nlong-term\tO\n", "corpus.conll")

    evaluated = cli("evaluate", corpus, "--format", "conll", "--model", small_model, "--json")

    assert found_scores(evaluated)["tokens"] == 4


def test_errors_are_counted_by_cause_without_a_word_of_the_text(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    words = ("evaluate", write_jsonl(tmp_path, GOLD), "--format", "jsonl", "--model", small_model, "--errors")

    told, found = cli(*words), json.loads(cli(*words, "--json").out)

    assert {cause: (of["false_positives"], of["false_negatives"]) for cause, of in found["causes"].items()} == {
        "too_long_by_word_after": (1, 1),
        "invented_known_term": (1, 0),
        "missed_unknown_term": (0, 1),
    }
    assert found["calibration"]["entities"] == 5
    assert re.search(r"^missed_unknown_term +0 +1$", told.out, re.MULTILINE)
    assert "expected calibration error: 0." in told.out
    assert not re.search("slept|insulin|gout", told.out)


def test_the_owner_of_a_text_may_see_the_errors_in_it(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    words = ("evaluate", write_jsonl(tmp_path, GOLD), "--format", "jsonl", "--model", small_model)

    told = cli(*words, "--errors", "--show-text")

    assert "missed DISEASE, missed_unknown_term: The patient [slept] well." in told.out
    assert_refused(cli(*words, "--show-text"), "--show-text lists errors")


def test_only_the_labels_asked_for_are_scored(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, GOLD)

    scores = found_scores(
        cli("evaluate", corpus, "--format", "jsonl", "--labels", "TREATMENT", "--model", small_model, "--json")
    )

    assert scores["per_label"] == {"TREATMENT": SCORES["per_label"]["TREATMENT"]}  # type: ignore[index]
    assert scores["micro"] == scores["per_label"]["TREATMENT"]


def test_a_corpus_of_diseases_says_nothing_about_treatments_unless_asked(
    cli: Cli, small_model: Path, tmp_path: Path
) -> None:
    words = ("evaluate", write_jsonl(tmp_path, ["She has {DISEASE:asthma} and takes aspirin."]), "--format", "jsonl")

    plain = found_scores(cli(*words, "--model", small_model, "--json"))
    both = found_scores(cli(*words, "--labels", "DISEASE, TREATMENT", "--model", small_model, "--json"))

    assert plain["micro"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert both["micro"] == {"precision": 0.5, "recall": 1.0, "f1": 0.666667, "support": 1}


def test_a_foreign_label_is_read_as_the_map_says(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, [line.replace("DISEASE", "Problem") for line in GOLD])
    words = ("evaluate", corpus, "--format", "jsonl", "--model", small_model, "--json")

    assert found_scores(cli(*words, "--map", "Problem=DISEASE")) == SCORES
    assert list(found_scores(cli(*words))["per_label"]) == ["TREATMENT"]


def test_what_is_not_used_of_a_corpus_is_told(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, [*GOLD, "She {Sign:coughs} and has {DISEASE:gout}."])
    words = ("evaluate", corpus, "--format", "jsonl", "--model", small_model)

    told = cli(*words)
    counted = json.loads(cli(*words, "--json").out)["unused"]

    assert counted == ["not mapped, ignored: Sign 1"]
    assert told.out.endswith("\nnot mapped, ignored: Sign 1\n")


def test_training_on_a_corpus_without_treatments_says_so(cli: Cli, workshop: Workshop, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, ["She has {DISEASE:gout} and {DISEASE:asthma}."] * 3)

    code, _, err = cli("train", corpus, "--format", "jsonl", "--out", tmp_path / "m.crfsuite", *workshop.options)

    assert code == 0
    assert f"{corpus}: no TREATMENT is annotated, all text counts as none" in err


def test_beside_the_synthetic_notes_a_corpus_without_treatments_says_nothing_of_them(
    cli: Cli, workshop: Workshop, tmp_path: Path
) -> None:
    corpus = write_jsonl(tmp_path, ["She has {DISEASE:gout} and {DISEASE:asthma}."] * 3)
    out = tmp_path / "m.crfsuite"

    _, _, err = cli("train", corpus, "--format", "jsonl", "--out", out, "--with-synthetic", *workshop.options)

    assert f"{corpus}: no TREATMENT is annotated, the synthetic model's reading stands for it" in err


def test_for_people_the_scores_are_lines_of_text(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    _, out, _ = cli("evaluate", write_jsonl(tmp_path, GOLD), "--format", "jsonl", "--model", small_model)

    assert re.sub(r"\d+ a second", "N a second", out) == (
        "           precision  recall      f1  support\n"
        "DISEASE        0.667   0.667   0.667        3\n"
        "TREATMENT      0.500   0.500   0.500        2\n"
        "micro          0.600   0.600   0.600        5\n"
        "token-weighted F1, O counted: 0.887 (no measure of entities)\n"
        "26 tokens, N a second\n"
    )


@pytest.mark.parametrize(
    ("corpus_format", "name", "content", "message"),
    [
        ("conll", "bad.conll", f"Gout\tB-DISEASE\n{NOTE_WORD}\n", r"bad\.conll:2: not a token and a tag"),
        ("conll", "bad.conll", f"{NOTE_WORD}\tI-DISEASE\n", r"bad\.conll:1: an I- tag continues no mention"),
        ("jsonl", "bad.jsonl", f'\n{{"id": "{NOTE_WORD}"\n', r"bad\.jsonl:2: not JSON"),
        (
            "jsonl",
            "bad.jsonl",
            f'{{"id": "a", "text": "{NOTE_WORD}", "entities": [{{"start": 3, "end": 99, "label": "D"}}]}}',
            r"bad\.jsonl:1: offsets 3 99 are not inside the text of 12 characters",
        ),
        ("jsonl", "bad.jsonl", "", r"bad\.jsonl holds no document"),
        ("jsonl", "bad.jsonl", '{"id": "a", "text": "Gout", "entities": []}', r"bad\.jsonl holds no annotation"),
    ],
)
def test_a_malformed_corpus_is_refused_with_file_and_line(
    cli: Cli, small_model: Path, tmp_path: Path, corpus_format: str, name: str, content: str, message: str
) -> None:
    refused = cli(
        "evaluate", text_file(tmp_path, content, name), "--format", corpus_format, "--model", small_model, "--json"
    )

    assert_refused(refused, message)


def test_malformed_brat_and_dt_corpora_are_refused_with_file_and_line(cli: Cli, tmp_path: Path) -> None:
    write_brat(tmp_path, GOLD)
    text_file(tmp_path, f"T1\tDISEASE 0 4\t{NOTE_WORD}\n", "n1.ann")
    write_dt(tmp_path, GOLD)
    text_file(tmp_path, "O\nX\n", "corpus_label")

    assert_refused(cli("evaluate", tmp_path, "--format", "brat"), r"n1\.ann:1: the surface is not what the text has")
    assert_refused(cli("evaluate", tmp_path / "corpus", "--format", "dt"), "corpus_label:2: unknown tag")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "DISEASE,DRUG"), "--labels: unknown label 'DRUG'"),
        (("--map", "Problem"), "--map 'Problem' is not SOURCE=LABEL"),
        (("--map", "Problem=DISEASES"), "--map 'Problem=DISEASES': unknown label 'DISEASES'"),
        (("--map", "P=DISEASE", "--map", "P=TREATMENT"), "--map gives 'P' two labels"),
    ],
)
def test_a_label_that_is_not_ours_is_refused(
    cli: Cli, small_model: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    corpus = write_jsonl(tmp_path, GOLD)

    assert_refused(cli("evaluate", corpus, "--format", "jsonl", "--model", small_model, *options), message)


def test_a_corpus_of_foreign_labels_alone_is_refused_with_their_counts(cli: Cli, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, ["{Problem:Gout} and {Problem:asthma}."])

    refused = cli("evaluate", corpus, "--format", "jsonl")

    assert_refused(refused, r"it has Problem \(2\)")
    assert "pass --map SOURCE=LABEL" in refused.err


def test_evaluating_a_damaged_model_is_refused(cli: Cli, damaged_model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, GOLD)

    assert_refused(cli("evaluate", corpus, "--format", "jsonl", "--model", damaged_model), "damaged")


# --- train -------------------------------------------------------------------------------------------
def test_a_trained_model_reads_its_own_corpus_without_a_fault(cli: Cli, small_model: Path, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, LEARNT)

    scores = found_scores(cli("evaluate", corpus, "--format", "jsonl", "--model", small_model, "--json"))

    assert scores["micro"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 40}


def test_several_corpora_are_learnt_together_and_counted(cli: Cli, workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    corpora, out = (write_jsonl(tmp_path, LEARNT), write_jsonl(tmp_path / "more", GOLD)), tmp_path / "m.crfsuite"

    code, printed, err = cli("train", *corpora, "--format", "jsonl", "--out", out, *workshop.options)

    manifest = model.read_manifest(out)
    assert (code, err) == (0, "")
    assert printed == (
        f"{out}: 36 annotated and 0 synthetic sentences;"
        " 0 gold spans widened to whole tokens, 0 dropped as overlapping\n"
    )
    assert manifest.sentences == 36
    tables = ("lexicon", *(table.name for table, _ in VOCABULARY))
    read = (digest(read_corpus(corpus, Format.JSONL)) for corpus in corpora)
    names = (f"{tmp_path.name}/{corpora[0].name}", f"more/{corpora[1].name}")
    assert manifest.data == {
        **{f"{name}.parquet": files.sha256(workshop.dataset / f"{name}.parquet") for name in tables},
        **dict(zip(names, read, strict=True)),
    }
    assert manifest.params.max_iterations == 30


def test_spans_that_cut_a_token_or_overlap_are_counted(cli: Cli, workshop: Workshop, tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path, ["{DISEASE:asth}ma, ast{DISEASE:hma}", "{DISEASE:Gout}"])
    cut, doubled = corpus.read_text("utf-8").splitlines()
    twice = json.loads(doubled)
    twice["entities"].append({"start": 0, "end": 4, "label": "TREATMENT"})
    corpus.write_text(f"{cut}\n{json.dumps(twice)}\n", "utf-8")

    printed = cli("train", corpus, "--format", "jsonl", "--out", tmp_path / "m.crfsuite", *workshop.options).out

    assert printed.endswith("2 gold spans widened to whole tokens, 1 dropped as overlapping\n")


def test_the_synthetic_sentences_are_learnt_too_if_asked_for(cli: Cli, workshop: Workshop, tmp_path: Path) -> None:
    corpus, out = write_jsonl(tmp_path, LEARNT), tmp_path / "m.crfsuite"
    words = ("train", corpus, "--format", "jsonl", "--out", out, *workshop.options)

    alone = cli(*words).out, Tagger.load(out).knows("celiac"), model.read_manifest(out)
    both = cli(*words, "--with-synthetic").out, Tagger.load(out).knows("celiac"), model.read_manifest(out)

    assert (alone[1], both[1]) == (False, True)
    assert "32 annotated and 0 synthetic" in alone[0]
    assert "32 annotated and 1 synthetic" in both[0]
    assert (alone[2].sentences, both[2].sentences) == (32, 33)
    assert both[2].data.keys() - alone[2].data.keys() == {"tokens.parquet", "calibration.parquet"}
    assert both[2].data["tokens.parquet"] == files.sha256(workshop.dataset / "tokens.parquet")


def test_the_same_corpus_gives_the_same_bytes(cli: Cli, workshop: Workshop, small_model: Path, tmp_path: Path) -> None:
    corpus, out = small_model.with_name("corpus.jsonl"), tmp_path / "again.crfsuite"

    cli("train", corpus, "--format", "jsonl", "--out", out, *workshop.options)

    assert all(
        model.part(out, suffix).read_bytes() == model.part(small_model, suffix).read_bytes()
        for suffix in (*model.PARTS, model.MANIFEST)
    )


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Fails the test if the optimiser is started."""

    def fit(*_: object) -> None:
        pytest.fail("it was trained")

    monkeypatch.setattr(training, "fit", fit)
    return fit


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("name", ["model", "model.bin", "new/model.crfsuite.bak"])
def test_a_model_of_another_name_is_refused_and_nothing_is_written(
    cli: Cli, workshop: Workshop, tmp_path: Path, name: str
) -> None:
    corpus, place = write_jsonl(tmp_path, LEARNT), tmp_path / "models"

    refused = cli("train", corpus, "--format", "jsonl", "--out", place / name, *workshop.options)

    assert_refused(refused, r"is not named \*\.crfsuite")
    assert not place.exists()


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"Gout\tB-DISEASE\n{NOTE_WORD}\tJ-X\n", r"corpus\.conll:2: the tag is not IOB2"),
        (f"{NOTE_WORD}\tO\n", r"corpus\.conll holds no annotation"),
    ],
)
def test_a_malformed_corpus_leaves_the_old_model_and_nothing_new(
    cli: Cli, workshop: Workshop, tmp_path: Path, content: str, message: str
) -> None:
    corpus, place = text_file(tmp_path, content, "corpus.conll"), tmp_path / "models"
    place.mkdir()
    old = text_file(place, "the old one", "m.crfsuite")

    refused = cli("train", corpus, "--format", "conll", "--out", old, *workshop.options)

    assert_refused(refused, message)
    assert [(path.name, path.read_text("utf-8")) for path in place.iterdir()] == [("m.crfsuite", "the old one")]


@pytest.mark.usefixtures("refusing")
def test_training_without_the_tables_of_the_stage_dataset_is_refused(
    cli: Cli, workshop: Workshop, tmp_path: Path
) -> None:
    corpus, out = write_jsonl(tmp_path, LEARNT), tmp_path / "models" / "m.crfsuite"
    where = ("--dataset", tmp_path / "nowhere", "--vocabulary", workshop.dataset, "--params", workshop.params)

    refused = cli("train", corpus, "--format", "jsonl", "--out", out, *where)

    assert_refused(refused, r"lexicon\.parquet does not exist")
    assert "dvc repro" in refused.err
    assert not out.parent.exists()


# --- population -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of five people."""
    folder = tmp_path_factory.mktemp("people")
    write_population(params.load(ROOT / "params.yaml").population.model_copy(update={"patients": 5}), folder)
    return folder


@pytest.mark.parametrize(("form", "file", "lines"), [("csv", "patients.csv", 6), ("fhir", "Patient.ndjson", 5)])
def test_a_population_is_exported_in_the_format_that_is_named(
    cli: Cli, people: Path, tmp_path: Path, form: str, file: str, lines: int
) -> None:
    code, out, err = cli("population", "export", people, tmp_path / "out", "--format", form)

    assert (code, out) == (0, "")
    assert "100%" in err
    assert len((tmp_path / "out" / file).read_text("utf-8").splitlines()) == lines


def test_an_export_over_other_files_is_refused_unless_it_is_forced(cli: Cli, people: Path, tmp_path: Path) -> None:
    text_file(tmp_path, "mine", "notes.txt")

    refused = cli("population", "export", people, tmp_path, "--format", "csv")
    forced = cli("population", "export", people, tmp_path, "--format", "csv", "--force")

    assert (refused.code, refused.out) == (2, "")
    assert "exists already\n  remedy: name another folder, or pass --force" in refused.err
    assert forced.code == 0
    assert (tmp_path / "notes.txt").read_text("utf-8") == "mine"


def test_what_holds_no_tables_is_not_exported(cli: Cli, tmp_path: Path) -> None:
    refused = cli("population", "export", tmp_path / "nowhere", tmp_path / "out", "--format", "fhir")

    assert_refused(refused, r"providers\.parquet does not exist")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_population_is_generated_and_may_then_be_exported(cli: Cli, tmp_path: Path, workers: int) -> None:
    made = cli("population", "generate", tmp_path / "made", "--patients", 4, "--seed", 3, "--workers", workers)
    code, _, _ = cli("population", "export", tmp_path / "made", tmp_path / "out", "--format", "fhir")

    assert (made.code, code) == (0, 0)
    assert "4 patients, " in made.out
    assert len((tmp_path / "out/Patient.ndjson").read_text("utf-8").splitlines()) == 4


def test_another_seed_generates_other_people_and_the_same_seed_the_same(cli: Cli, tmp_path: Path) -> None:
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        cli("population", "generate", tmp_path / name, "--patients", 2, "--seed", seed)

    a, b, c = ((tmp_path / name / "patients.parquet").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("option", "value"),
    [("--patients", 0), ("--patients", -5), ("--workers", 0), ("--seed", -1), ("--patients", "many")],
)
def test_a_bad_number_stops_at_once_and_is_named(cli: Cli, tmp_path: Path, option: str, value: object) -> None:
    refused = cli("population", "generate", tmp_path / "out", option, value)

    assert (refused.code, refused.out) == (2, "")
    assert "Invalid value for" in refused.err
    assert f"'{option}'" in refused.err
    assert not (tmp_path / "out").exists()


def test_people_are_not_generated_over_other_files(cli: Cli, tmp_path: Path) -> None:
    text_file(tmp_path, "mine", "notes.txt")

    assert_refused(cli("population", "generate", tmp_path, "--patients", 1), "exists already")


def test_a_mistyped_parameter_of_the_population_is_named(cli: Cli, tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text("utf-8").replace("reference_date: ", "reference_day: ")

    refused = cli("population", "generate", tmp_path / "out", "--params", text_file(tmp_path, text, "p.yaml"))

    assert refused.code == 2
    assert "population.reference_day: unknown parameter; did you mean 'reference_date'?" in refused.err

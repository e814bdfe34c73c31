"""The folder of annotated notes: every corpus in it is recognised, and what is none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import ANNOTATED, DISEASE, LABELS, TREATMENT
from clinical_ner.ner.annotated import corpora_in, joined_metrics, label_map, read_folder
from clinical_ner.ner.corpora import Format

FILES = {
    Format.BRAT: {"a.txt": "Gout.", "a.ann": "T1\tDisease 0 4\tGout\n"},
    Format.CONLL: {"a.tsv": "Gout\tB-Disease\n"},
    Format.DT: {"a_sent": "Gout\n", "a_label": "D\n"},
    Format.JSONL: {"a.jsonl": '{"id": "a", "text": "Gout.", "entities": [{"start": 0, "end": 4, "label": "D"}]}\n'},
}


def put(folder: Path, files: dict[str, str]) -> Path:
    """The folder with these files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def found(folder: Path) -> dict[str, Format]:
    return {place.path.relative_to(folder).as_posix(): place.corpus_format for place in corpora_in(folder)}


# --- what lies there ---------------------------------------------------------------------------
def test_an_empty_folder_holds_no_corpus(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == []


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing is not a folder\n  remedy: make it"):
        read_folder(tmp_path / "missing")


@pytest.mark.parametrize(
    ("corpus_format", "name"),
    [(Format.BRAT, "."), (Format.CONLL, "a.tsv"), (Format.DT, "a"), (Format.JSONL, "a.jsonl")],
)
@pytest.mark.parametrize("where", [".", "one", "one/two"])
def test_a_corpus_is_recognised_and_read_wherever_it_lies(
    tmp_path: Path, corpus_format: Format, name: str, where: str
) -> None:
    put(tmp_path / where, FILES[corpus_format])

    (joined,) = read_folder(tmp_path)

    assert found(tmp_path) == {Path(where, name).as_posix(): corpus_format}
    assert [example.tags[0] for example in joined.prepared.examples] == ["B-DISEASE"]


def test_any_number_of_corpora_may_lie_side_by_side_in_a_fixed_order(tmp_path: Path) -> None:
    for corpus_format, files in FILES.items():
        put(tmp_path / ("." if corpus_format is not Format.BRAT else "notes"), files)
    put(tmp_path, {"b.conll": "Gout\tB-Disease\n"})

    assert list(found(tmp_path)) == ["a.jsonl", "a.tsv", "a", "b.conll", "notes"]


def test_what_people_git_and_dvc_keep_there_is_no_corpus(tmp_path: Path) -> None:
    aside = ["README.md", "LICENSE", "SOURCES.md", "provenance.json", ".gitignore", ".DS_Store", "mine.dvc"]
    put(tmp_path, dict.fromkeys(aside, "?"))
    put(tmp_path / "mine", {**FILES[Format.BRAT], "annotation.conf": "?"})

    assert found(tmp_path) == {"mine": Format.BRAT}


@pytest.mark.parametrize("name", ["notes.xml", "a.txt", "a_sents", "annotation.conf", "label.yaml"])
def test_a_file_that_fits_no_format_is_named(tmp_path: Path, name: str) -> None:
    put(tmp_path / "mine", {name: "Gout"})

    with pytest.raises(UserError, match=rf"mine/{name} is no part of an annotated corpus\n  remedy: a corpus is"):
        read_folder(tmp_path)


def test_a_fault_inside_a_corpus_names_file_and_line(tmp_path: Path) -> None:
    put(tmp_path, {"a.tsv": "Gout\tB-Disease\n\nagain\tX\n"})

    with pytest.raises(UserError, match=r"a\.tsv:3: the tag is not IOB2"):
        read_folder(tmp_path)


# --- labels ------------------------------------------------------------------------------------
def test_labels_beside_a_corpus_extend_the_map_there_and_nowhere_else(tmp_path: Path) -> None:
    mention = "Gout\tB-Sickness\nand\tO\nrash\tB-Disease\n"
    put(tmp_path / "mine", {"a.tsv": mention, "labels.yaml": "Sickness: DISEASE\n"})
    put(tmp_path / "yours", {"a.tsv": mention})

    mine, yours = read_folder(tmp_path)

    assert mine.prepared.examples[0].tags == ["B-DISEASE", "O", "B-DISEASE"]
    assert yours.prepared.examples[0].tags == ["O", "O", "B-DISEASE"]
    assert (mine.corpus.ignored.total(), yours.corpus.ignored.total()) == (0, 1)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("- DISEASE\n", "labels.yaml is not a map of labels"),
        ("", "labels.yaml is not a map of labels"),
        ("Sickness: ILLNESS\n", "labels.yaml: 'Sickness' is given a label that is not ours"),
        ("Sickness: [DISEASE]\n", "labels.yaml: 'Sickness' is given a label that is not ours"),
        ("D: DISEASE\nE: {\n", "labels.yaml:3 is not YAML"),
    ],
)
def test_a_map_that_is_none_is_refused(tmp_path: Path, content: str, fault: str) -> None:
    put(tmp_path, {"labels.yaml": content})

    with pytest.raises(UserError, match=f"{fault}\n  remedy: write lines such as 'Sickness: DISEASE'"):
        label_map(tmp_path / "labels.yaml")


def test_a_corpus_says_nothing_of_the_label_that_it_never_uses(tmp_path: Path) -> None:
    put(tmp_path, {"a.tsv": "Gout\tB-Disease\n", "b.tsv": "Gout\tB-D\n\naspirin\tB-T\n", "c.tsv": "aspirin\tB-T\n"})

    examples = [example for joined in read_folder(tmp_path) for example in joined.prepared.examples]

    assert [example.annotates for example in examples] == [(DISEASE,), LABELS, LABELS, (TREATMENT,)]
    assert {example.source for example in examples} == {ANNOTATED}


# --- figures -----------------------------------------------------------------------------------
def test_the_figures_add_up_over_corpora_and_say_what_was_altered_or_left_aside(tmp_path: Path) -> None:
    text = "Goutx and left or right knee pain on aspirin."
    lines = [
        "Disease 0 4\tGout",
        "Disease 10 14;24 33\tleft knee pain",
        "Disease 29 33\tpain",
        "Medication 37 44\taspirin",
    ]
    other = [*lines, "Sign_symptom 29 33\tpain"]
    put(tmp_path / "a", {"a.txt": text, "a.ann": "".join(f"T{n}\t{line}\n" for n, line in enumerate(other))})
    put(tmp_path, FILES[Format.CONLL])

    assert joined_metrics(read_folder(tmp_path)) == {
        "corpora": 2,
        "documents": 2,
        "sentences": 2,
        "entities": 4,
        "sentences_of_one_label": 1,
        "mentions_widened": 1,
        "mentions_dropped": 1,
        "mentions_ignored": 1,
        "mentions_joined_up": 1,
    }


def test_of_nothing_the_figures_are_zero() -> None:
    assert set(joined_metrics([]).values()) == {0}

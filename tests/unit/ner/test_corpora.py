"""Annotated text as it lies on disk becomes documents with gold spans, or an error that names the line."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical_ner.core.errors import UserError
from clinical_ner.core.span import DISEASE, LABELS, TREATMENT, Span
from clinical_ner.ner.corpora import LABEL_MAP, Corpus, Document, Format, parse_map, read_corpus

SHARED = Path(__file__).parents[3].parent / "shared" / "corpora"
NOTE_WORD = "Quokkafieber"  # stands for the text of a note: no message may hold it


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def brat(folder: Path, text: str, annotations: str) -> Corpus:
    return read_corpus(write(folder, {"a.txt": text, "a.ann": annotations}), Format.BRAT)


def conll(folder: Path, content: str) -> Corpus:
    return read_corpus(write(folder, {"c.tsv": content}) / "c.tsv", Format.CONLL)


def dt(folder: Path, words: str, tags: str) -> Corpus:
    return read_corpus(write(folder, {"train_sent": words, "train_label": tags}) / "train", Format.DT)


def jsonl(folder: Path, content: str) -> Corpus:
    return read_corpus(write(folder, {"c.jsonl": content}) / "c.jsonl", Format.JSONL)


def note(**changes: object) -> str:
    whole = {"id": "n1", "text": "Asthma.", "entities": [{"start": 0, "end": 6, "label": "DISEASE"}]}
    return json.dumps(whole | changes) + "\n"


def entity(**changes: object) -> str:
    return note(text=f"Asthma {NOTE_WORD}", entities=[{"start": 0, "end": 6, "label": "DISEASE"} | changes])


def surfaces(document: Document) -> list[tuple[str, str]]:
    return [(document.text[span.start : span.end], span.label) for span in document.spans]


# --- brat ---------------------------------------------------------------------------------------
def test_brat_offsets_count_characters_of_the_file_line_ends_included(tmp_path: Path) -> None:
    corpus = brat(tmp_path, "β-blockers\r\nfor angína.", "T1\tMedication 0 10\tβ-blockers\nT2\tDisease 16 22\tangína\n")

    assert surfaces(corpus.documents[0]) == [("β-blockers", TREATMENT), ("angína", DISEASE)]


def test_brat_documents_come_in_the_order_of_their_names_without_tokens(tmp_path: Path) -> None:
    ann = "T1\tD 0 6\tasthma\n"
    files = {"b.txt": "asthma", "b.ann": ann, "annotation.conf": "[entities]", "a.txt": "asthma", "a.ann": ann}

    documents = read_corpus(write(tmp_path, files), Format.BRAT).documents

    assert documents == tuple(Document(name, "asthma", (Span(0, 6, DISEASE),), None) for name in "ab")


def test_a_discontinuous_brat_mention_becomes_its_hull_and_is_counted(tmp_path: Path) -> None:
    corpus = brat(
        tmp_path, "lung and skin cancer", "T1\tDisease 0 4;14 20\tlung cancer\nT2\tOther 0 4;9 13\tlung skin\n"
    )

    assert surfaces(corpus.documents[0]) == [("lung and skin cancer", DISEASE)]
    assert corpus.hulls == 1


def test_a_brat_surface_may_show_line_ends_of_the_text_as_spaces(tmp_path: Path) -> None:
    corpus = brat(tmp_path, "lung\ncancer, lung\r\ncancer", "T1\tD 0 11\tlung cancer\nT2\tD 13 25\tlung cancer\n")

    assert corpus.documents[0].spans == (Span(0, 11, DISEASE), Span(13, 25, DISEASE))


def test_a_brat_surface_keeps_its_last_space_and_its_tabs(tmp_path: Path) -> None:
    corpus = brat(tmp_path, "lung\tcancer\u2005.", "T1\tD 0 12\tlung\tcancer\u2005\n")

    assert corpus.documents[0].spans == (Span(0, 12, DISEASE),)


def test_brat_lines_of_other_kinds_are_accepted_and_skipped(tmp_path: Path) -> None:
    events = "E1\tDisease:T1\nR1\tMODIFY Arg1:T1 Arg2:T1\t\n*\tOVERLAP T1 T1\n"
    remarks = "A1\tNegated T1\nM1\tNegated T1\nN1\tReference T1\n#1\tNote T1\tx\n"

    corpus = brat(tmp_path, "asthma", f"{events}{remarks}\nT1\tD 0 6\tasthma\r\n\n")

    assert corpus.documents[0].spans == (Span(0, 6, DISEASE),)


def test_nested_overlapping_and_repeated_gold_spans_are_all_kept(tmp_path: Path) -> None:
    lines = "T1\tD 0 11\tlung cancer\nT2\tD 5 11\tcancer\nT3\tT 5 11\tcancer\nT4\tD 0 11\tlung cancer\n"

    corpus = brat(tmp_path, "lung cancer", lines)

    twice = Span(0, 11, DISEASE)
    assert corpus.documents[0].spans == (twice, twice, Span(5, 11, DISEASE), Span(5, 11, TREATMENT))


def test_a_brat_note_without_annotation_is_a_document(tmp_path: Path) -> None:
    write(tmp_path, {"b.txt": "well", "b.ann": ""})

    corpus = brat(tmp_path, "asthma", "T1\tD 0 6\tasthma\n")

    assert corpus.documents[1] == Document("b", "well", (), None)


def test_labels_outside_the_map_are_ignored_and_counted(tmp_path: Path) -> None:
    corpus = brat(tmp_path, "asthma", "T1\tD 0 6\tasthma\nT2\tSign 0 6\tasthma\nT3\tSign 0 1\ta\nT4\tAge 0 1\ta\n")

    assert corpus.ignored == Counter({"Sign": 2, "Age": 1})
    assert corpus.labels == (DISEASE,)


@pytest.mark.parametrize(
    ("line", "reason", "remedy"),
    [
        (f"T2\tD 0 99\t{NOTE_WORD}", "offsets 0 99 are not inside the text of 19 characters", "the end is exclusive"),
        (f"T2\tD 7 7\t{NOTE_WORD}", "offsets 7 7", "the end is exclusive"),
        (f"T2\tD 19 7\t{NOTE_WORD}", "offsets 19 7", "the end is exclusive"),
        (f"T2\tD 0 6;7 20\tasthma {NOTE_WORD}", "offsets 7 20", "the end is exclusive"),
        (f"T2\tD 6 18\t{NOTE_WORD}", "surface is not what the text has", "offsets count characters"),
        (f"T2\tD 0 6;7 19\tasthma{NOTE_WORD}", "surface is not what the text has", "offsets count characters"),
        (f"T2\tD -7 19\t{NOTE_WORD}", "malformed T line", "LABEL START END"),
        (f"T2\tD 7 19 {NOTE_WORD}", "malformed T line", "LABEL START END"),
        ("T2\tD 7 19", "malformed T line", "LABEL START END"),
        (f"T2\t7 19\t{NOTE_WORD}", "malformed T line", "LABEL START END"),
        (f"T2\tD 7 {'9' * 5000}\t{NOTE_WORD}", "malformed T line", "LABEL START END"),
        (f"{NOTE_WORD} was found", "unknown kind of line", "lines begin with"),
        (f"Acute {NOTE_WORD} was found", "unknown kind of line", "lines begin with"),
    ],
)
def test_a_malformed_brat_line_is_named(tmp_path: Path, line: str, reason: str, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        brat(tmp_path, f"asthma {NOTE_WORD}", f"T1\tD 0 6\tasthma\n{line}\n")

    assert_explained(error, f"{tmp_path / 'a.ann'}:2: ", reason, remedy)


@pytest.mark.parametrize(
    ("files", "reason", "remedy"),
    [
        ({"a.ann": ""}, "a.txt is missing", "add it"),
        ({"a.txt": NOTE_WORD, "b.txt": "", "b.ann": ""}, "a.ann is missing", "an .ann may be empty"),
        ({"a.txt": NOTE_WORD}, "holds no .ann file", "a folder of NAME.txt and NAME.ann"),
        ({}, "holds no .ann file", "a folder of NAME.txt and NAME.ann"),
    ],
)
def test_a_brat_file_that_is_missing_is_named(
    tmp_path: Path, files: Mapping[str, str | bytes], reason: str, remedy: str
) -> None:
    with pytest.raises(UserError) as error:
        read_corpus(write(tmp_path, files), Format.BRAT)

    assert_explained(error, str(tmp_path), reason, remedy)


# --- conll --------------------------------------------------------------------------------------
def test_a_conll_sentence_is_a_document_named_after_its_first_line(tmp_path: Path) -> None:
    corpus = conll(tmp_path, "Lung\tB-Disease\ncancer\tI-Disease\n.\tO\n\n\nNo\tO\nasthma\tB-Disease\n")

    first, second = corpus.documents
    assert first == Document("c.tsv:1", "Lung cancer .", (Span(0, 11, DISEASE),), ((0, 4), (5, 11), (12, 13)))
    assert (second.id, surfaces(second)) == ("c.tsv:6", [("asthma", DISEASE)])


def test_two_conll_mentions_that_touch_stay_two(tmp_path: Path) -> None:
    corpus = conll(tmp_path, "asthma\tB-D\ngout\tB-D\naspirin\tB-T\n")

    assert surfaces(corpus.documents[0]) == [("asthma", DISEASE), ("gout", DISEASE), ("aspirin", TREATMENT)]


def test_conll_takes_the_first_and_the_last_column_and_skips_docstart(tmp_path: Path) -> None:
    corpus = conll(tmp_path, "\ufeff-DOCSTART- -X- O\r\n\r\nasthma\tNN\tx\tB-D\r\n")

    assert corpus.documents == (Document("c.tsv:3", "asthma", (Span(0, 6, DISEASE),), ((0, 6),)),)


def test_conll_mentions_outside_the_map_are_ignored_and_counted(tmp_path: Path) -> None:
    corpus = conll(tmp_path, "old\tB-Age\nman\tI-Age\nasthma\tB-D\n")

    assert surfaces(corpus.documents[0]) == [("asthma", DISEASE)]
    assert corpus.ignored == Counter({"Age": 1})


@pytest.mark.parametrize(
    ("lines", "place", "reason", "remedy"),
    [
        (f"{NOTE_WORD} O\n", 3, "not a token and a tag", "TOKEN, a tab and TAG"),
        (f"\t{NOTE_WORD}\n", 3, "not a token and a tag", "TOKEN, a tab and TAG"),
        (f"x\t{NOTE_WORD}\n", 3, "the tag is not IOB2", "O, B-LABEL or I-LABEL"),
        (f"{NOTE_WORD}\t\n", 3, "the tag is not IOB2", "O, B-LABEL or I-LABEL"),
        (f"{NOTE_WORD}\tB-\n", 3, "the tag is not IOB2", "O, B-LABEL or I-LABEL"),
        (f"{NOTE_WORD}\tI-D\n", 3, "continues no mention", "begin the mention with B-"),
        (f"x\tB-D\n{NOTE_WORD}\tI-T\n", 4, "continues no mention", "begin the mention with B-"),
        (f"x\tB-D\ny\tO\n{NOTE_WORD}\tI-D\n", 5, "continues no mention", "begin the mention with B-"),
        (f"x\tB-D\n\n{NOTE_WORD}\tI-D\n", 5, "continues no mention", "begin the mention with B-"),
    ],
)
def test_a_malformed_conll_line_is_named(tmp_path: Path, lines: str, place: int, reason: str, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        conll(tmp_path, f"asthma\tB-D\n\n{lines}")

    assert_explained(error, f"{tmp_path / 'c.tsv'}:{place}: ", reason, remedy)


# --- dt -----------------------------------------------------------------------------------------
def test_a_maximal_run_of_one_tag_is_one_span(tmp_path: Path) -> None:
    corpus = dt(tmp_path, "Lung\ncancer\naspirin\nfor\ngout\n\ngout\n\n", "D\nD\nT\nO\nD\n\nD\n\n")

    first, second = corpus.documents
    assert surfaces(first) == [("Lung cancer", DISEASE), ("aspirin", TREATMENT), ("gout", DISEASE)]
    assert first.tokens == ((0, 4), (5, 11), (12, 19), (20, 23), (24, 28))
    assert (first.id, second) == ("train:1", Document("train:7", "gout", (Span(0, 4, DISEASE),), ((0, 4),)))


def test_a_dt_run_ends_with_its_sentence(tmp_path: Path) -> None:
    corpus = dt(tmp_path, "gout\n\ngout\n", "D\n\nD\n")

    assert [document.spans for document in corpus.documents] == [(Span(0, 4, DISEASE),)] * 2


def test_trailing_space_and_runs_of_blank_lines_make_no_empty_sentence(tmp_path: Path) -> None:
    corpus = dt(tmp_path, "\ngout \r\n \n\nasthma\n\n\n\n", "\nD\t\n\n\nD")

    assert [(document.id, document.text) for document in corpus.documents] == [
        ("train:2", "gout"),
        ("train:5", "asthma"),
    ]


@pytest.mark.parametrize(
    ("words", "tags", "place", "reason", "remedy"),
    [
        (
            f"gout\n\n{NOTE_WORD}\n",
            "D\nO\nO\n",
            "train_sent:2",
            "line is blank, in train_label it",
            "one line with its tag",
        ),
        (
            f"gout\n{NOTE_WORD}\nx\n",
            "D\n\nO\n",
            "train_label:2",
            "line is blank, in train_sent it",
            "one line with its tag",
        ),
        (f"gout\n{NOTE_WORD}\n", "D\n", "train_label:2", "line is missing, in train_sent", "one line with its tag"),
        ("gout\n", "D\n\nO\nO\n", "train_sent:2", "line is missing, in train_label", "one line with its tag"),
        ("gout\nx\n", f"D\n{NOTE_WORD}\n", "train_label:2", "unknown tag; known are O, D, DISEASE,", "--map TAG=LABEL"),
        ("gout\nx\n", "D\nB-D\n", "train_label:2", "unknown tag", "--map TAG=LABEL"),
        ("", "O\n", "train_sent:1", "line is missing", "one line with its tag"),
    ],
)
def test_a_malformed_dt_line_is_named(
    tmp_path: Path, words: str, tags: str, place: str, reason: str, remedy: str
) -> None:
    with pytest.raises(UserError) as error:
        dt(tmp_path, words, tags)

    assert_explained(error, f"{tmp_path / place}: ", reason, remedy)


@pytest.mark.parametrize(("there", "missing"), [("train_sent", "train_label"), ("train_label", "train_sent")])
def test_a_missing_half_of_a_dt_corpus_is_named(tmp_path: Path, there: str, missing: str) -> None:
    write(tmp_path, {there: "x\n"})

    with pytest.raises(UserError) as error:
        read_corpus(tmp_path / "train", Format.DT)

    assert_explained(error, f"{tmp_path / missing} cannot be read", "No such file", "PREFIX_sent and PREFIX_label")


# --- jsonl --------------------------------------------------------------------------------------
def test_a_json_line_is_a_document(tmp_path: Path) -> None:
    other = note(id="n2", text="Old asthma\nand gout", entities=[{"start": 0, "end": 3, "label": "Age"}])

    corpus = jsonl(tmp_path, f"{note()}\n{other}")

    assert corpus.documents == (
        Document("n1", "Asthma.", (Span(0, 6, DISEASE),), None),
        Document("n2", "Old asthma\nand gout", (), None),
    )
    assert corpus.ignored == Counter({"Age": 1})


@pytest.mark.parametrize(
    ("line", "reason", "remedy"),
    [
        (f'{{"id": {NOTE_WORD}\n', "not JSON", "one JSON object on each line"),
        ("[" * 100_000, "not JSON", "one JSON object on each line"),
        (f'["{NOTE_WORD}"]\n', "the line is not an object", '"entities"'),
        (note(text=None), "'text' of the line is missing or no string", "mend it"),
        (note(id=7), "'id' of the line is missing or no string", "mend it"),
        (note(entities={}), "'entities' of the line is missing or no list", "mend it"),
        (note(entities=[NOTE_WORD]), "an entity is not an object", '"entities"'),
        ('{"id": "n2", "text": "x"}\n', "'entities' of the line is missing", "add"),
        (
            note(txet=NOTE_WORD),
            "the line has an unknown field",
            "did you mean 'text'? the fields are id, text, entities",
        ),
        (note(**{NOTE_WORD: 1}), "the line has an unknown field", "the fields are id, text, entities"),
        (entity(lable="D"), "an entity has an unknown field", "did you mean 'label'? the fields are start, end, label"),
        (entity(start="0"), "'start' of an entity is missing or no whole number", "mend it"),
        (entity(start=False), "'start' of an entity is missing or no whole number", "mend it"),
        (entity(end=6.0), "'end' of an entity is missing or no whole number", "mend it"),
        (entity(label=None), "'label' of an entity is missing or no string", "mend it"),
        (entity(end=20), "offsets 0 20 are not inside the text of 19 characters", "the end is exclusive"),
        (entity(start=-1), "offsets -1 6", "the end is exclusive"),
        (entity(start=6), "offsets 6 6", "the end is exclusive"),
        (note(id="n0"), "the id of line 1 again", "its own id"),
        (note(text=f"{NOTE_WORD} \ud800"), "'text' of the line holds half a surrogate pair", "whole characters"),
    ],
)
def test_a_malformed_json_line_is_named(tmp_path: Path, line: str, reason: str, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        jsonl(tmp_path, note(id="n0") + line)

    assert_explained(error, f"{tmp_path / 'c.jsonl'}:2: ", reason, remedy)


# --- all formats --------------------------------------------------------------------------------
BROKEN = b"x\tO\n\n" + NOTE_WORD.encode() + b" \xff\xfe\n"


@pytest.mark.parametrize(
    ("files", "path", "corpus_format", "place"),
    [
        ({"c": BROKEN}, "c", Format.CONLL, "c:3: byte 19 "),
        ({"c": BROKEN}, "c", Format.JSONL, "c:3: byte 19 "),
        ({"c_sent": BROKEN, "c_label": "O\n"}, "c", Format.DT, "c_sent:3: byte 19 "),
        ({"c_sent": "x\n", "c_label": BROKEN}, "c", Format.DT, "c_label:3: byte 19 "),
        ({"a.txt": BROKEN, "a.ann": ""}, "", Format.BRAT, "a.txt:3: byte 19 "),
        ({"a.txt": "x", "a.ann": BROKEN}, "", Format.BRAT, "a.ann:3: byte 19 "),
    ],
)
def test_bytes_that_are_not_utf8_are_named_by_line_and_position(
    tmp_path: Path, files: Mapping[str, str | bytes], path: str, corpus_format: Format, place: str
) -> None:
    with pytest.raises(UserError) as error:
        read_corpus(write(tmp_path, files) / path, corpus_format)

    assert_explained(error, str(tmp_path / place), "is not UTF-8", "convert the file to UTF-8")


@pytest.mark.parametrize(
    ("corpus_format", "expected"),
    [
        (Format.BRAT, "brat expects a folder of NAME.txt and NAME.ann"),
        (Format.CONLL, "conll expects a file with TOKEN, a tab and an IOB2 tag"),
        (Format.DT, "dt expects a PREFIX"),
        (Format.JSONL, "jsonl expects a file with"),
    ],
)
def test_a_path_that_does_not_exist_is_named_with_what_the_format_expects(
    tmp_path: Path, corpus_format: Format, expected: str
) -> None:
    with pytest.raises(UserError) as error:
        read_corpus(tmp_path / "nowhere", corpus_format)

    assert_explained(error, f"{tmp_path / 'nowhere'}", "cannot be read: No such file or directory", expected)


def test_a_folder_in_place_of_a_file_and_the_reverse_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read: Is a directory\n  remedy: conll expects a file"):
        read_corpus(tmp_path, Format.CONLL)
    with pytest.raises(UserError, match=r"cannot be read: Not a directory\n  remedy: brat expects a folder"):
        read_corpus(write(tmp_path, {"c.ann": ""}) / "c.ann", Format.BRAT)


@pytest.mark.parametrize("corpus_format", [Format.CONLL, Format.DT, Format.JSONL])
@pytest.mark.parametrize("content", ["", "\n\n \n"])
def test_a_corpus_without_documents_is_an_error(tmp_path: Path, corpus_format: Format, content: str) -> None:
    write(tmp_path, {"c": content, "c_sent": content, "c_label": content})

    with pytest.raises(UserError) as error:
        read_corpus(tmp_path / "c", corpus_format)

    assert_explained(error, str(tmp_path / "c"), "holds no document", f"{corpus_format} expects")


def test_a_corpus_whose_labels_are_all_unknown_lists_them_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        brat(tmp_path, "asthma", "T1\tSign 0 6\tasthma\nT2\tAge 0 1\ta\nT3\tSign 0 1\ta\n")

    assert_explained(
        error, str(tmp_path), "it has Sign (2), Age (1)", "--map SOURCE=LABEL, LABEL being DISEASE or TREAT"
    )


def test_a_label_that_does_not_look_like_one_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "1", "text": "Mr. Miller", "entities": [{"start": 0, "end": 10, "label": "Mr. Miller has gout"}]}'
    )

    with pytest.raises(UserError) as error:
        read_corpus(tmp_path / "a.jsonl", Format.JSONL)

    assert_explained(error, str(tmp_path), "it has <a label of 19 characters> (1)", "--map SOURCE=LABEL")
    assert "Miller" not in str(error.value)


@pytest.mark.parametrize("name", ["README.txt", "readme.txt", "README-first.txt", "LICENSE.txt"])
def test_what_people_read_in_a_brat_folder_is_no_document(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("How we annotated")

    corpus = brat(tmp_path, "asthma", "T1\tDisease 0 6\tasthma\n")

    assert len(corpus.documents) == 1


def test_a_long_list_of_unknown_labels_is_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(1\) and 5 more\n"):
        conll(tmp_path, "".join(f"x\tB-L{number}\n" for number in range(25)))


def test_a_corpus_without_any_annotation_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        dt(tmp_path, f"{NOTE_WORD}\n", "O\n")

    assert_explained(error, str(tmp_path / "train"), "holds no annotation", "annotate at least one mention")


def assert_explained(error: pytest.ExceptionInfo[UserError], place: str, reason: str, remedy: str) -> None:
    message, _, advice = str(error.value).partition("\n  remedy: ")
    assert message.startswith(place)
    assert reason in message
    assert remedy in advice
    assert NOTE_WORD not in str(error.value)


# --- the label map ------------------------------------------------------------------------------
def test_assignments_extend_and_overrule_the_built_in_map() -> None:
    mapping = parse_map(["Sign_symptom=DISEASE", "a=b = TREATMENT", "D=TREATMENT", "D=TREATMENT"])

    assert mapping == {**LABEL_MAP, "Sign_symptom": DISEASE, "a=b": TREATMENT, "D": TREATMENT}


def test_no_assignment_leaves_the_built_in_map() -> None:
    assert parse_map([]) == LABEL_MAP


def test_an_added_label_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "fever", "a.ann": "T1\tSign_symptom 0 5\tfever\n"})

    corpus = read_corpus(tmp_path, Format.BRAT, parse_map(["Sign_symptom=DISEASE"]))

    assert surfaces(corpus.documents[0]) == [("fever", DISEASE)]


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["Sign"], "--map 'Sign' is not SOURCE=LABEL\n  remedy: write for example --map"),
        (["=DISEASE"], "--map '=DISEASE' is not SOURCE=LABEL"),
        (["Sign="], "--map 'Sign=' is not SOURCE=LABEL"),
        ([""], "--map '' is not SOURCE=LABEL"),
        (["Sign=disease"], "unknown label 'disease'\n  remedy: did you mean 'DISEASE'?"),
        (["Sign=X"], "unknown label 'X'\n  remedy: labels are DISEASE, TREATMENT"),
        (["Sign=DISEASE", "Sign=TREATMENT"], "--map gives 'Sign' two labels\n  remedy: keep one"),
    ],
)
def test_a_malformed_assignment_is_named(assignments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_map(assignments)

    assert str(error.value).startswith(message) or message in str(error.value)


# --- properties: what is written is read back -----------------------------------------------------
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=6).filter(
    lambda word: not word.startswith(("-DOCSTART-", "\ufeff"))
)


@st.composite
def annotated_texts(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    text = draw(texts)
    starts = draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=5))
    spans = [Span(start, draw(st.integers(start + 1, len(text))), draw(st.sampled_from(LABELS))) for start in starts]
    return text, tuple(sorted(spans))


@st.composite
def tagged_sentences(draw: st.DrawFn) -> list[list[tuple[str, str]]]:
    sentence = st.lists(st.tuples(words, st.sampled_from("ODT")), min_size=1, max_size=6)
    return [[("gout", "D")], *draw(st.lists(sentence, max_size=4))]


@settings(deadline=None)  # it writes files
@given(annotated_texts())
def test_spans_written_as_brat_are_read_back(annotated: tuple[str, tuple[Span, ...]]) -> None:
    text, spans = annotated
    lines = []
    for number, span in enumerate(spans, 1):
        surface = text[span.start : span.end].replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
        lines.append(f"T{number}\t{span.label} {span.start} {span.end}\t{surface}\n")

    with tempfile.TemporaryDirectory() as folder:
        corpus = brat(Path(folder), text, "".join(lines))

    assert corpus.documents == (Document("a", text, spans, None),)


@settings(deadline=None)  # it writes files
@given(annotated_texts())
def test_spans_written_as_json_are_read_back(annotated: tuple[str, tuple[Span, ...]]) -> None:
    text, spans = annotated
    line = note(text=text, entities=[span._asdict() for span in spans])

    with tempfile.TemporaryDirectory() as folder:
        corpus = jsonl(Path(folder), line)

    assert corpus.documents == (Document("n1", text, spans, None),)


@settings(deadline=None)  # it writes files
@given(tagged_sentences())
def test_dt_and_conll_files_of_the_same_runs_hold_the_same_documents(sentences: list[list[tuple[str, str]]]) -> None:
    columns = [["".join(f"{row[column]}\n" for row in sentence) for sentence in sentences] for column in (0, 1)]
    rows = []
    for sentence in sentences:
        previous = ""
        for word, tag in sentence:
            rows.append(f"{word}\t{tag if tag == 'O' else ('I-' if tag == previous else 'B-') + tag}\n")
            previous = tag
        rows.append("\n")

    with tempfile.TemporaryDirectory() as folder:
        paired = dt(Path(folder), *("\n".join(column) for column in columns)).documents
        tabbed = conll(Path(folder), "".join(rows)).documents

    assert [(d.text, d.spans, d.tokens) for d in paired] == [(d.text, d.spans, d.tokens) for d in tabbed]
    for document, sentence in zip(paired, sentences, strict=True):
        assert [document.text[start:end] for start, end in document.tokens or ()] == [word for word, _ in sentence]


# --- the corpora of real text -------------------------------------------------------------------
def gold_counts(corpus: Corpus) -> Counter[str]:
    return Counter(span.label for document in corpus.documents for span in document.spans)


@pytest.mark.skipif(not (SHARED / "maccrobat").is_dir(), reason="the corpus is not beside the project")
def test_maccrobat_has_a_hundred_reports_and_two_hulls() -> None:
    corpus = read_corpus(SHARED / "maccrobat", Format.BRAT)

    assert len(corpus.documents) == 100
    assert gold_counts(corpus) == {DISEASE: 647, TREATMENT: 528 + 509}
    assert (corpus.hulls, corpus.ignored["Sign_symptom"], corpus.ignored.total()) == (2, 1629, 10615)


@pytest.mark.skipif(not (SHARED / "behealthy").is_dir(), reason="the corpus is not beside the project")
def test_behealthy_has_2599_sentences_and_48501_lines_of_which_45902_are_tokens() -> None:
    corpus = read_corpus(SHARED / "behealthy" / "train", Format.DT)

    tokens = sum(len(document.tokens or ()) for document in corpus.documents)
    assert (len(corpus.documents), tokens, tokens + len(corpus.documents)) == (2599, 45902, 48501)
    assert gold_counts(corpus) == {DISEASE: 1383, TREATMENT: 1023}


@pytest.mark.skipif(not (SHARED / "ncbi-disease").is_dir(), reason="the corpus is not beside the project")
@pytest.mark.parametrize(("name", "sentences", "mentions"), [("train", 5424, 5134), ("devel", 923, 787)])
def test_ncbi_disease_names_diseases_only(name: str, sentences: int, mentions: int) -> None:
    corpus = read_corpus(SHARED / "ncbi-disease" / f"{name}.tsv", Format.CONLL)

    assert (len(corpus.documents), gold_counts(corpus)) == (sentences, {DISEASE: mentions})
    assert corpus.labels == (DISEASE,)

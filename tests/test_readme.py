"""README and the pages for people who work on it name only what exists: targets, files, commands, options, the map."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from dvc.cli.parser import get_main_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "docs/remote.md")
SUFFIXES = {".py", ".yaml", ".yml", ".md", ".toml", ".txt", ".lock", ".json", ".jsonl", ".html", ".csv", ".parquet"}


def inline(page: str) -> list[str]:
    """What a page sets in type of code within its sentences and tables."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def calls(program: str, page: str) -> list[list[str]]:
    """The words after each call of a program on a page, up to the end of the command or a comment."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    code = re.sub(r"(^|\s)#.*", "", "\n".join([*blocks, *inline(page)]).replace("\\\n", " "), flags=re.MULTILINE)
    found = re.findall(rf"(?:^|[\s;&|(]){re.escape(program)}( [^\n|;&<>#)]*)?(?=$|[\n|;&<>#)])", code, re.MULTILINE)
    return [shlex.split(words) for words in found]


def exists(path: str) -> bool:
    """Whether a file or folder has this path, or the name alone, or make writes it; CAPITALS stand for any name."""
    if path.startswith("build/"):
        return path.strip("/") in (ROOT / "Makefile").read_text(encoding="utf-8")
    pattern = path.strip("/") if (ROOT / path).exists() else re.sub(r"[A-Z]{3,}", "*", path.strip("/"))
    tops = (".ci", ".github", "deploy", "docs", "pipelines", "src", "tests")
    return any(ROOT.glob(pattern)) or ("/" not in pattern and any(any((ROOT / top).rglob(pattern)) for top in tops))


def looks_like_a_path(code: str) -> bool:
    if not re.fullmatch(r"\.?[A-Za-z0-9_][\w.*/-]*", code):
        return False
    folder = "/" in code and (code.endswith("/") or (ROOT / code.split("/")[0]).exists())
    return folder or Path(code).suffix in SUFFIXES


def map_entries() -> list[str]:
    """The paths in the block after `<!-- map -->`, each line under the shallower ones above it."""
    block = re.search(r"<!-- map -->\s*^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    entries: list[str] = []
    above: list[tuple[int, str]] = [(-1, "")]
    for line in re.sub("[│├└─]", " ", block[1] if block else "").splitlines():
        entry = re.match(r"( {0,12})([\w.*/-]+)(?:  |$)", line)
        if entry:
            while above[-1][0] >= len(entry[1]):
                above.pop()
            above.append((len(entry[1]), f"{above[-1][1].rstrip('/')}/{entry[2]}".lstrip("/")))
            entries.append(above[-1][1])
    return entries


def unknown_words(command: Any, words: list[str]) -> list[str]:
    """The subcommands and options that the command line does not have."""
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    options = {
        "--help",
        *(option for parameter in command.params for option in parameter.opts + parameter.secondary_opts),
    }
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in options]
    return words[:1] + unknown if hasattr(command, "commands") and words and words[0] != "--help" else unknown


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_on_a_page_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    named = {word for words in calls("make", page) for word in words if "=" not in word and not word.startswith("-")}

    assert "repro" in named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_path_on_a_page_exists(page: str) -> None:
    paths = [code for code in inline(page) if looks_like_a_path(code)]

    assert len(paths) > 1
    assert [path for path in paths if not exists(path)] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_link_on_a_page_to_a_file_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8"))

    assert len(links) > 0
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_dvc_on_a_page_is_one_that_dvc_takes(page: str) -> None:
    commands = [words for words in calls("dvc", page) if words and words != ["..."]]

    assert commands
    for words in commands:
        get_main_parser().parse_args(words)  # exits where it does not know the command or an option


def test_every_entry_of_the_map_exists() -> None:
    entries = map_entries()

    assert len(entries) > 10
    assert [entry for entry in entries if not any(ROOT.glob(entry.rstrip("/")))] == []


def test_every_command_and_option_in_readme_exists() -> None:
    from clinical_ner.cli import app

    command = typer.main.get_command(app)

    found = calls("clinical-ner", "README.md")

    assert found != []
    assert {" ".join(words): unknown for words in found if (unknown := unknown_words(command, words))} == {}


def test_every_figure_in_readme_is_the_one_that_its_command_prints(model_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "docs/readme.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert model_path.is_file()
    assert (done.returncode, done.stderr) == (0, "")

"""The tree keeps its promises: who imports whom, what a stage depends on, what things are called."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import yaml

from clinical_ner.core import params
from clinical_ner.core.errors import UserError

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PIPELINES = ROOT / "pipelines"
OF_COMMANDS = {"ingest", "promote", "kpi"}  # sections of the parameters that no stage reads
STAGES = tuple(name for name in params.Params.model_fields if name not in OF_COMMANDS)
Walk = Callable[[ast.AST], Iterable[ast.AST]]

# --- who may import whom: every layer is here; a new one has to be thought about ---------------
EVERYTHING = {"core", "vocabulary", "population", "quality", "notes", "ner", "monitoring", "serving"}
EVERYTHING |= {"intake", "corrections", "promotion", "batch"}
MAY_IMPORT = {
    "core": set[str](),
    "vocabulary": {"core"},
    "population": {"core", "vocabulary"},
    "quality": {"core", "population"},
    "notes": {"core", "vocabulary"},
    "ner": {"core"},
    "monitoring": {"core", "ner"},
    "serving": {"core", "ner", "monitoring"},
    "intake": {"core"},
    "corrections": {"core", "ner"},
    "promotion": {"core", "ner"},
    "batch": {"core", "ner", "notes", "population", "vocabulary"},
    "commands": EVERYTHING,
    "cli": EVERYTHING | {"commands"},
}
# A worker of the service holds the tagger and little else; these cost seconds and hundreds of megabytes.
HEAVY = {"evidently", "pandas", "pandera", "pyarrow", "pycrfsuite", "scipy", "sklearn", "sklearn_crfsuite"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((SRC / "clinical_ner").rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), path)


def runs(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below this one but what only the type checker sees."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from runs(child)


def runs_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run as soon as the module is imported: those outside functions."""
    inside = {
        below
        for function in ast.walk(node)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for below in ast.walk(function)
    }
    return (child for child in runs(node) if child not in inside)


def imports(path: Path, walk: Walk = ast.walk) -> set[str]:
    """The dotted names a file imports; `from a import b` counts as `a` and as `a.b`."""
    package = ".".join(path.parent.relative_to(SRC).parts) if SRC in path.parents else None
    found: set[str] = set()
    for node in walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return found


def reached(names: set[str], walk: Walk) -> set[str]:
    """The modules of ours that run when these names are imported, the packages on the way included."""
    found: set[str] = set()
    while names:
        ours = {prefix for name in names for prefix in accumulate(name.split("."), "{}.{}".format)} & MODULES.keys()
        names = {name for module in ours - found for name in imports(MODULES[module], walk)}
        found |= ours
    return found


def layer(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_layers_that_its_own_may_import(module: str) -> None:
    allowed = MAY_IMPORT[layer(module)] | {layer(module)} if layer(module) else set()

    found = {layer(name) for name in imports(MODULES[module]) if name.startswith("clinical_ner.")}

    assert found & MAY_IMPORT.keys() <= allowed


def test_the_scripts_of_the_stages_are_imported_by_nobody() -> None:
    python = [*MODULES.values(), *PIPELINES.glob("*.py")]

    assert {
        path for path in python if any(name.split(".")[0] in {"pipelines", *STAGES} for name in imports(path))
    } == set()


@pytest.mark.parametrize("module", ["clinical_ner.serving.service", "clinical_ner.ner.tagger"])
def test_the_service_process_starts_without_the_heavy_packages(module: str) -> None:
    assert module in MODULES

    wanted = {
        (by, name)
        for by in reached({module}, runs_on_import)
        for name in imports(MODULES[by], runs_on_import)
        if name.split(".")[0] in HEAVY
    }

    assert wanted == set()


# --- one name, four places ---------------------------------------------------------------------
@cache
def dvc_stages() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return stages


def test_stages_scripts_and_sections_of_the_parameters_have_the_same_names() -> None:
    scripts = {path.stem for path in PIPELINES.glob("*.py")}
    sections = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))

    assert set(dvc_stages()) == scripts == set(sections) - OF_COMMANDS == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_script_and_depends_on_its_parameters(stage: str) -> None:
    assert f"python pipelines/{stage}.py" in dvc_stages()[stage]["cmd"]
    assert stage in dvc_stages()[stage]["params"]


# --- dvc.yaml tells the truth: otherwise DVC calls stale results fresh, or repeats for nothing ----
def resources(path: Path) -> set[Path]:
    """The files and data folders beside a module that the module names."""
    words = {
        node.value.split("/")[0]
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    beside = {entry for entry in path.parent.iterdir() if entry.suffix != ".py" and entry.name in words}
    return {entry for entry in beside if not (entry / "__init__.py").exists()}


def does_something(path: Path) -> bool:
    """Whether a module holds more than its docstring and the version."""
    return any(not ast.unparse(node).startswith(("'", '"', "__version__")) for node in tree(path).body)


def needed(stage: str) -> set[Path]:
    script = PIPELINES / f"{stage}.py"
    modules = {MODULES[name] for name in reached(imports(script, runs), runs)}
    return {script, *filter(does_something, modules), *(entry for path in modules for entry in resources(path))}


def code_deps(stage: str) -> set[Path]:
    return {ROOT / dep for dep in dvc_stages()[stage]["deps"] if dep.startswith(("src/", "pipelines/"))}


def holds(outer: Path, inner: Path) -> bool:
    return outer == inner or outer in inner.parents


def names(paths: Iterable[Path]) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_and_resources_it_uses(stage: str) -> None:
    deps = code_deps(stage)

    assert names(path for path in needed(stage) if not any(holds(dep, path) for dep in deps)) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_use(stage: str) -> None:
    used = needed(stage)

    assert names(dep for dep in code_deps(stage) if not any(holds(dep, path) for path in used)) == []


def sections_read(path: Path) -> set[str]:
    """The sections a script takes from what `params.load` returns, directly or by way of a name."""

    def loads(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) in {"load", "params.load"}

    nodes = list(ast.walk(tree(path)))
    loaded = {
        ast.unparse(target)
        for node in nodes
        if isinstance(node, ast.Assign) and loads(node.value)
        for target in node.targets
    }
    attributes = (node for node in nodes if isinstance(node, ast.Attribute))
    return {node.attr for node in attributes if loads(node.value) or ast.unparse(node.value) in loaded}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_sections_of_the_parameters_that_its_script_reads(stage: str) -> None:
    listed = {entry.split(".")[0] for entry in dvc_stages()[stage]["params"]}

    assert sections_read(PIPELINES / f"{stage}.py") == listed


# --- names and files ---------------------------------------------------------------------------
def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}

    assert {module for module in MODULES if empty & set(module.split("."))} == set()


@cache
def files_of_git() -> tuple[Path, ...]:
    """The files that are in git, or would be after `git add .`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if (path := ROOT / name).is_file())


def test_no_file_in_git_is_larger_than_one_megabyte() -> None:
    assert names(path for path in files_of_git() if path.stat().st_size > 1_000_000) == []


def test_no_file_in_git_names_a_package_registry() -> None:
    hosts = ("pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js")

    assert (
        names(path for path in files_of_git() if any(host in path.read_text("utf-8", "ignore") for host in hosts)) == []
    )


def test_no_file_in_git_names_a_place_on_somebodys_machine() -> None:
    somewhere = "|".join(map(re.escape, (str(ROOT), f"{Path.home()}/", "/Users" + "/", "C:" + "\\Users")))
    place = re.compile(rf"(?<![\w.])({somewhere})")

    assert names(path for path in files_of_git() if place.search(path.read_text("utf-8", "ignore"))) == []


# --- the parameters are closed -----------------------------------------------------------------
def test_a_mistyped_parameter_is_named_and_the_right_name_suggested(tmp_path: Path) -> None:
    mistyped = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    mistyped.write_text(text.replace("max_iterations", "max_iteratons"), encoding="utf-8")

    with pytest.raises(UserError, match=r"train\.max_iteratons.*did you mean 'max_iterations'"):
        params.load(mistyped)


def test_no_parameter_has_a_name_that_dvc_leaves_out_of_the_key_of_its_run_cache() -> None:
    # treeverse/dvc#10296: after a change of such a value DVC would restore the results of the old one.
    left_out = {"size", "nfiles"}
    sections = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))

    assert {f"{section}.{name}" for section, knobs in sections.items() for name in left_out & set(knobs)} == set()


# --- every resource has a source ----------------------------------------------------------------
RESOURCES = sorted((SRC / "clinical_ner").glob("*/resources"))


@pytest.mark.parametrize("folder", RESOURCES, ids=lambda folder: str(folder.parent.name))
def test_every_resource_is_named_in_the_sources_beside_it(folder: Path) -> None:
    told = (folder / "SOURCES.md").read_text(encoding="utf-8")

    assert [path.name for path in folder.iterdir() if path.name != "SOURCES.md" and f"`{path.name}`" not in told] == []

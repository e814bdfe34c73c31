"""A stage for the workflows: a copy of the project with stand-ins for what takes long, and act with stubs around it.

The pipeline has three stages that take no time: tests/pipeline tests the true one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.repositories import ROOT, commit, copy_of_sources, environment, run

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
COPIED = (".ci", ".dvc", ".dvcignore", ".github", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md")
COPIED += ("deploy/container", "pyproject.toml", "requirements.txt", "src", "tests/golden/*.jsonl")
REPOSITORY = "Somebody/Project"  # GitHub keeps capitals, its container registry does not

# A stand-in for each action; what is installed, cached or kept between jobs lies in folders of the stage.
INSTALL = 'rm -rf .venv; cp -r --no-dereference "$FOLDER/venv" .venv; touch .venv/.installed'
RESTORE = '[ "$INPUT_PATH" = .venv ] || { mkdir -p .dvc/cache; ln -sfn "$FOLDER/cache" "$INPUT_PATH"; }'
STUBS: dict[str, tuple[tuple[str, ...], str]] = {  # action: its inputs, what it runs
    # act itself copies the tree, unless another commit is asked for.
    "actions/checkout": (
        ("ref",),
        '[ -z "$INPUT_REF" ] || { git clone --quiet "$PROJECT" . && git checkout --quiet "$INPUT_REF"; }',
    ),
    "actions/setup-python": (("python-version",), INSTALL),
    "actions/cache": (("path", "key", "restore-keys"), RESTORE),
    "actions/upload-artifact": (
        ("name", "path"),
        'to="$FOLDER/artifacts/$INPUT_NAME"; rm -rf "$to"; mkdir -p "$to"; cp -r "$INPUT_PATH/." "$to"',
    ),
    "actions/download-artifact": (
        ("name", "path"),
        'mkdir -p "$INPUT_PATH"; cp -r "$FOLDER/artifacts/$INPUT_NAME/." "$INPUT_PATH"',
    ),
    "actions/attest-build-provenance": (
        ("subject-name", "subject-digest", "subject-path", "push-to-registry"),
        'echo "$INPUT_SUBJECT_NAME $INPUT_SUBJECT_DIGEST $INPUT_SUBJECT_PATH" >> "$FOLDER/attested"',
    ),
}


def small_project(folder: Path) -> Path:
    """The project as it is now with a small pipeline and one test, every result built and committed."""
    repository = copy_of_sources(folder / "project", *COPIED)
    for name, content in SMALL.items():
        write(repository / name, content)
    settings = repository / "pyproject.toml"  # types of one folder and no doctests
    text = settings.read_text("utf-8").replace('testpaths = ["tests", "src"]', 'testpaths = ["tests"]')
    text = re.sub(r"^files = .*$", 'files = [".ci"]', text, flags=re.MULTILINE)
    write(settings, text.replace(', "tests/deploy"', ""))
    run(repository, "dvc", "repro", "--quiet")
    commit(repository)
    return repository


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")


def program(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    write(path, content)
    path.chmod(0o755)


@dataclass(frozen=True)
class Outcome:
    """How a workflow ended: of every job its result, and what was printed."""

    code: int
    printed: str

    @property
    def jobs(self) -> dict[str, str]:
        """success or failure by job; a job that was skipped is not there."""
        ended = re.findall(r"^\[[^/\]]*/(\S+?)\s*\].*Job (succeeded|failed)", self.printed, re.MULTILINE)
        return {job: {"succeeded": "success", "failed": "failure"}[end] for job, end in ended}


class Stage:
    """A folder with a stand-in for GitHub, for its actions and for the programs that would leave this machine."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.github = folder / "github.json"
        shutil.copytree(cache, folder / "cache", dirs_exist_ok=True)
        program(self.programs / "gh", (ROOT / "tests/workflows/fake_gh.py").read_text("utf-8"))
        program(self.programs / "apt-get", "#!/bin/sh\nexit 0\n")
        program(self.programs / "docker", DOCKER)
        overlay(folder / "venv")
        program(folder / "venv/bin/pip-audit", "#!/bin/sh\necho audited\n")
        program(folder / "venv/bin/clinical-ner", COMMAND)
        program(folder / "venv/bin/bentoml", BENTOML)
        for action, (inputs, command) in STUBS.items():
            write(folder / "actions" / action / "action.yml", stub(inputs, command))

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.github.read_text("utf-8"))
        return found

    def change(self, **entries: Any) -> None:
        self.github.write_text(json.dumps(self.state() | entries), "utf-8")

    def act(self, repository: Path, workflow: str, event: str, payload: Mapping[str, Any], *, job: str = "") -> Outcome:
        """Run a workflow of the repository, as GitHub would on this event."""
        write(self.folder / "event.json", json.dumps(payload))
        given = {"GITHUB_REPOSITORY": REPOSITORY, "PYTHONPATH": "src", "PROJECT": str(repository)}
        given |= {"FOLDER": str(self.folder), "FAKE_GITHUB": str(self.github)}
        options = {"--workflows": f".github/workflows/{workflow}.yml", "--platform": "ubuntu-latest=-self-hosted"}
        options |= {"--eventpath": str(self.folder / "event.json"), "--action-cache-path": str(self.folder / "act")}
        options |= {"--concurrent-jobs": "1", "--secret": "GITHUB_TOKEN=none", "--var": "MONITORING=true"}
        options |= {"--job": job} if job else {}
        pairs = [*options.items(), *(("--local-repository", pair) for pair in self.stubbed())]
        pairs += [("--env", f"{name}={value}") for name, value in given.items()]
        command = [
            "act",
            event,
            "--action-offline-mode",
            "--no-cache-server",
            *(word for pair in pairs for word in pair),
        ]
        path = os.pathsep.join([str(self.programs), environment(repository)["PATH"]])
        own = environment(repository, PATH=path, HOME=str(self.folder / "home"))
        done = subprocess.run(command, cwd=repository, env=own, capture_output=True, text=True, check=False)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def stubbed(self) -> list[str]:
        """Each action that a workflow names, pinned as it is there, and the folder of its stand-in."""
        texts = [path.read_text("utf-8") for path in GITHUB.rglob("*.yml")]
        uses = {use for text in texts for use in re.findall(r"uses: ([^.\s]\S+@\w+)", text)}
        return [f"{use}={self.folder / 'actions' / use.split('@')[0]}" for use in sorted(uses)]


def overlay(venv: Path) -> None:
    """An environment that is this one, but whose programs can be replaced."""
    (venv / "bin").mkdir(parents=True)
    for entry in Path(sys.prefix).iterdir():
        if entry.name not in {"bin", ".installed"}:
            (venv / entry.name).symlink_to(entry)
    for entry in (Path(sys.prefix) / "bin").iterdir():
        (venv / "bin" / entry.name).symlink_to(entry)


def stub(inputs: tuple[str, ...], command: str) -> str:
    """An action that runs a command with its inputs in the environment."""
    env = {f"INPUT_{name.upper().replace('-', '_')}": "${{ inputs." + name + " }}" for name in inputs}
    steps = [{"shell": "bash", "run": command, "env": env}]
    described = {name: {"required": False} for name in inputs}
    return yaml.safe_dump({"name": "stub", "inputs": described, "runs": {"using": "composite", "steps": steps}})


# Answers like docker where the release asks it.
DOCKER = """#!/bin/sh
echo "$*" >> "$FOLDER/docker"
case $1 in
    save) echo image > "$4" ;;
    login) cat > /dev/null ;;
    inspect) echo "ghcr.io/somebody/project@sha256:0123" ;;
esac
"""
BENTOML = """#!/bin/sh
echo bento > "$3"
"""
# Fetches nothing, but says what.
# Decides what the file `decision` of the stage says, and asks for retraining if the file `retrain` says true.
COMMAND = """#!/bin/sh
[ "$1" != fetch ] || echo "$*" >> "$FOLDER/fetched"
case "$2" in
    run)
        while [ "$1" != --out ]; do shift; done
        if [ "$(cat "$FOLDER/retrain")" = true ]; then
            echo '{"reasons": ["out_of_vocabulary_rate"]}' > "$2/retraining_request.json"
        fi
        exit "$(cat "$FOLDER/decision")" ;;
    summary) echo "The notes have changed: $(cat "$FOLDER/decision")" ;;
esac
"""
# The files of the small project that are not those of the true one.
SMALL = {
    "tests/test_small.py": "def test_two_is_two() -> None:\n    assert 1 + 1 == 2\n",
    "tests/workflows/test_none.py": "def test_none() -> None:\n    assert True\n",
    "tests/debian-packages.txt": "",
    "src/clinical_ner/serving/build.py": 'print("built")\n',
    "deploy/container/build.sh": """#!/bin/sh
echo '{"bomFormat": "CycloneDX"}'
""",
    "params.yaml": "notes:\n  texts: 60\ntrain:\n  max_iterations: 15\n",
    "pipelines/small.py": '''"""Three stages in no time: more iterations find more of a thousand entities."""

import json
import sys
from pathlib import Path

import yaml

params = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
texts, iterations = params["notes"]["texts"], params["train"]["max_iterations"]
recall = iterations / (iterations + 1)
scores = {"micro": {"precision": 1.0, "recall": recall, "f1": 2 * recall / (1 + recall), "support": 1000}}
written = {
    "notes": {"data/notes/notes.csv": "text\\n" * texts, "metrics/notes.json": {"texts": texts}},
    "train": {
        "models/tagger.weights.npy": "0" * iterations,
        "metrics/train.json": {"iterations": iterations},
        "plots/training.csv": "iteration,loss\\n" + "".join(f"{i},{1 / i}\\n" for i in range(1, iterations + 1)),
    },
    "evaluate": {
        "reports/evaluation.json": {"golden": {"all": scores}, "crf": {"templates": {"seen": scores}}},
        "metrics/drift.json": {"drift": {"verdict": "none"}},
        "metrics/evaluate.json": {"crf": {"f1": scores["micro"]["f1"]}},
    },
}
for name, content in written[sys.argv[1]].items():
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content) + "\\n", "utf-8")
''',
    "dvc.yaml": """
stages:
  notes:
    cmd: python pipelines/small.py notes
    deps: [pipelines/small.py]
    params: [notes]
    outs: [data/notes]
    metrics:
      - metrics/notes.json:
          cache: false
  train:
    cmd: python pipelines/small.py train
    deps: [pipelines/small.py, data/notes]
    params: [train]
    outs: [models/tagger.weights.npy]
    metrics:
      - metrics/train.json:
          cache: false
    plots:
      - plots/training.csv:
          cache: false
          template: linear
          x: iteration
          y: loss
          title: Training curve
  evaluate:
    cmd: python pipelines/small.py evaluate
    deps: [pipelines/small.py, data/notes, models/tagger.weights.npy, tests/golden/notes.jsonl]
    outs:
      - reports/evaluation.json:
          cache: false
    metrics:
      - metrics/evaluate.json:
          cache: false
      - metrics/drift.json:
          cache: false
""",
}

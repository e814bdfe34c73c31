"""A stage for the workflows: a small copy of the project as a repository of its own, and act with stubs around it."""

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

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
COPIED = (".ci", ".dvc", ".dvcignore", ".github", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md")
COPIED += ("bentofile.yaml", "data/annotated", "deploy/container", "dvc.yaml", "params.yaml", "pipelines")
COPIED += ("pyproject.toml", "requirements.txt", "requirements-serving.txt", "src", "tests/golden/*.jsonl")
REPOSITORY = "Somebody/Project"  # GitHub keeps capitals, its container registry does not

# A stand-in for each action; what is cached or kept between jobs lies in folders of the machine.
PREPARED = r"""
case "$CACHED" in
    .venv) rm -rf .venv; cp -r --no-dereference "$STAGE/venv" .venv; touch .venv/.installed ;;
    *) mkdir -p "$STAGE/cache" .dvc/cache; ln -sfn "$STAGE/cache" "$CACHED" ;;
esac
"""
STUBS: dict[str, tuple[tuple[str, ...], str]] = {  # action: its inputs, what it runs
    "actions/checkout": ((), "true"),
    "actions/setup-python": (("python-version",), "true"),
    "actions/cache": (("path", "key", "restore-keys"), PREPARED.replace("$CACHED", "$INPUT_PATH")),
    "actions/upload-artifact": (
        ("name", "path"),
        'to="$STAGE/artifacts/$INPUT_NAME"; rm -rf "$to"; mkdir -p "$to"; cp -r "$INPUT_PATH/." "$to"',
    ),
    "actions/download-artifact": (
        ("name", "path"),
        'mkdir -p "$INPUT_PATH"; cp -r "$STAGE/artifacts/$INPUT_NAME/." "$INPUT_PATH"',
    ),
    "actions/attest-build-provenance": (
        ("subject-name", "subject-digest", "subject-path", "push-to-registry"),
        'echo "$INPUT_SUBJECT_NAME $INPUT_SUBJECT_DIGEST $INPUT_SUBJECT_PATH" >> "$STAGE/attested"',
    ),
}


def run(where: Path, *command: str, **variables: str) -> str:
    env = environment(where) | variables
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(repository: Path) -> dict[str, str]:
    """No settings of the user's, and the repository's own code instead of the installed one."""
    settings = repository.parent / "settings"
    roles = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dvc = {f"DVC_{kind}_DIR": str(settings) for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return (
        inherited | roles | dvc | {"PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": str(repository / "src")}
    )


def small_project(folder: Path, params: Mapping[str, Mapping[str, Any]]) -> Path:
    """The project as it is now with few patients and one test, every result built and committed."""
    repository = folder / "project"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *COPIED]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    set_params(repository, params)
    without_stages(repository, "quality", "risk")  # the longest, and the notes do not come from them
    write(repository / "tests/test_small.py", "def test_two_is_two() -> None:\n    assert 2 == 1 + 1\n")
    write(repository / "tests/workflows/test_none.py", "def test_none() -> None:\n    assert True\n")
    write(repository / "tests/debian-packages.txt", "")
    settings = (
        repository / "pyproject.toml"
    )  # the types of one folder, and no doctests: they are not what is tested here
    text = settings.read_text("utf-8").replace('testpaths = ["tests", "src"]', 'testpaths = ["tests"]')
    write(
        settings, re.sub(r"^files = .*$", 'files = [".ci"]', text, flags=re.MULTILINE).replace(', "tests/deploy"', "")
    )
    run(repository, "git", "init", "--quiet", "--initial-branch", "main")
    run(repository, "dvc", "repro", "--quiet")
    commit(repository, "this commit will hold the results")
    return repository


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")


def program(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    write(path, content)
    path.chmod(0o755)


def set_params(repository: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    path = repository / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    for section, values in changes.items():
        params[section].update(values)
    path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def without_stages(repository: Path, *names: str) -> None:
    path = repository / "dvc.yaml"
    pipeline = yaml.safe_load(path.read_text("utf-8"))
    kept = {name: stage for name, stage in pipeline["stages"].items() if name not in names}
    path.write_text(yaml.safe_dump({"stages": kept}, sort_keys=False), "utf-8")


def commit(repository: Path, subject: str) -> str:
    """Commit all that is there; the commit's name."""
    run(repository, "git", "add", "--all")
    run(repository, "git", "commit", "--quiet", "--message", subject)
    return run(repository, "git", "rev-parse", "HEAD").strip()


@dataclass(frozen=True)
class Outcome:
    """How a workflow ended: of every job its result, and what was printed."""

    code: int
    printed: str

    @property
    def jobs(self) -> dict[str, str]:
        """success or failure by job; a job that was skipped is not there."""
        ended = re.findall(r"^\[[^/\]]*/(\S+?)\s*\].*Job (succeeded|failed)", self.printed, re.MULTILINE)
        return dict(ended)


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
        program(folder / "venv/bin/clinical-ner", MONITOR)
        for action, (inputs, command) in STUBS.items():
            write(folder / "actions" / action / "action.yml", stub(inputs, command))

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.github.read_text("utf-8"))
        return found

    def change(self, **entries: Any) -> None:
        self.github.write_text(json.dumps(self.state() | entries), "utf-8")

    def act(
        self, repository: Path, workflow: str, event: str, payload: Mapping[str, Any], *, job: str = "", **env: str
    ) -> Outcome:
        """Run a workflow of the repository, as GitHub would on this event."""
        write(self.folder / "event.json", json.dumps(payload))
        summary = self.folder / "summary"
        given = {
            "GITHUB_REPOSITORY": REPOSITORY,
            "STAGE": str(self.folder),
            "FAKE_GITHUB": str(self.github),
            "PYTHONPATH": "src",
            **env,
        }
        command = [
            "act",
            event,
            "--workflows",
            f".github/workflows/{workflow}.yml",
            "--platform",
            "ubuntu-latest=-self-hosted",
        ]
        command += ["--eventpath", str(self.folder / "event.json"), "--action-offline-mode", "--no-cache-server"]
        command += [
            "--action-cache-path",
            str(self.folder / "act"),
            "--concurrent-jobs",
            "1",
            "--secret",
            "GITHUB_TOKEN=none",
        ]
        command += [word for pair in self.stubbed() for word in ("--local-repository", pair)]
        command += [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
        command += ["--job", job] if job else []
        own = environment(repository)
        own |= {"PATH": os.pathsep.join([str(self.programs), own["PATH"]]), "HOME": str(self.folder / "home")}
        done = subprocess.run(command, cwd=repository, env=own, capture_output=True, text=True, check=False)
        write(summary, done.stdout)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def stubbed(self) -> list[str]:
        uses = {
            use
            for path in GITHUB.rglob("*.yml")
            for use in re.findall(r"uses: ([^.\s]\S+@\w+)", path.read_text("utf-8"))
        }
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
    step = {"shell": "bash", "run": command, **({"env": env} if env else {})}
    content = {
        "name": "stub",
        "runs": {"using": "composite", "steps": [step]},
        "inputs": {name: {"required": False} for name in inputs},
    }
    return yaml.safe_dump(content)


# Answers like docker where the release asks it.
DOCKER = """#!/bin/sh
echo "$*" >> "$STAGE/docker"
case $1 in
    save) shift 2; echo image > "$2" ;;
    login) cat > /dev/null ;;
    inspect) echo "ghcr.io/somebody/project@sha256:0123" ;;
esac
"""
# Decides what the file `decision` of the stage says.
MONITOR = """#!/bin/sh
case "$2" in
    run)
        while [ "$1" != --out ]; do shift; done
        decision=$(cat "$STAGE/decision")
        echo '{"reasons": ["out_of_vocabulary_rate"]}' > "$2/retraining_request.json"
        exit "$decision" ;;
    summary) echo "The notes have changed: $(cat "$STAGE/decision")" ;;
esac
"""

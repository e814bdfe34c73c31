"""With real git and GTO, against a bare repository."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.promotion import registry
from clinical_ner.promotion.registry import PROD, Event, Registry, previous, tag_text

AT = datetime(2026, 1, 1, tzinfo=UTC)


def opened(project) -> Registry:
    return Registry.open(project.root, "origin")


def assigned(*versions: str) -> list[Event]:
    return [
        Event(f"m#prod#{number}", version, PROD, "c", AT + timedelta(days=number), "A", None)
        for number, version in enumerate(versions)
    ]


def test_a_version_is_registered_once_whoever_asks_again(project) -> None:
    versions = opened(project)

    names = [versions.register(project.head, "text") for _ in range(2)]

    assert names == ["v1.0.0", "v1.0.0"]
    assert [event.tag for event in versions.events()] == ["clinical-ner@v1.0.0"]


def test_a_second_version_of_a_commit_is_refused_with_the_reason(project) -> None:
    versions = opened(project)
    versions.register(project.head, "text", "v1.0.0")

    with pytest.raises(UserError, match=r"the commit is v1\.0\.0 already"):
        versions.register(project.head, "text", "v2.0.0")


def test_a_version_of_another_commit_is_refused_with_the_reason(project) -> None:
    versions = opened(project)
    versions.register(project.head, "text", "v1.0.0")
    project.git("commit", "--quiet", "--allow-empty", "--message", "Other")

    with pytest.raises(UserError, match=r"the registry refuses.*v1\.0\.0"):
        versions.register(project.head, "text", "v1.0.0")


def test_a_stage_is_assigned_once_and_the_latest_assignment_holds(project) -> None:
    versions = opened(project)
    first = versions.register(project.head, "text")
    project.git("commit", "--quiet", "--allow-empty", "--message", "Other")
    second = versions.register(project.head, "text")

    done = [versions.assign(name, PROD, "text") for name in (first, first, second, first)]

    assert (first, second) == ("v1.0.0", "v1.1.0")
    assert done == [True, False, True, True]
    assert [event.version for event in versions.events() if event.stage] == [first, second, first]
    current = versions.current(PROD)
    assert current is not None
    assert current.version == first


def test_what_was_decided_comes_back_out_of_the_tag(project) -> None:
    versions = opened(project)

    versions.register(project.head, tag_text("Model x", {"promoted": True, "quote": 'a\n\n{"'}))

    assert versions.events()[0].decision == {"promoted": True, "quote": 'a\n\n{"'}


@pytest.mark.parametrize("text", ["by hand", "by hand\n\n{no json", "by hand\n\n{}x"])
def test_tags_made_by_hand_have_no_decision(project, text: str) -> None:
    versions = opened(project)

    versions.register(project.head, text)

    assert versions.events()[0].decision is None


def test_tags_that_wait_are_pushed_once_and_all(project) -> None:
    versions = opened(project)
    versions.assign(versions.register(project.head, "text"), PROD, "text")
    before = project.remote_tags()

    pushed = [versions.push(), versions.push()]

    assert before == set()
    assert pushed == [["clinical-ner@v1.0.0", "clinical-ner#prod#1"], []]
    assert project.remote_tags() == set(pushed[0])


def test_without_the_remote_the_registry_is_the_clones_alone(project) -> None:
    project.git("remote", "remove", "origin")
    versions = opened(project)
    versions.register(project.head, "text")

    assert versions.remote is None
    assert versions.push() == []


def test_tags_of_others_are_seen(project, tmp_path) -> None:
    registry.git(tmp_path, "clone", "--quiet", str(project.root / "../origin.git"), "other")
    for setting in (("user.name", "B"), ("user.email", "b@example.org")):
        registry.git(tmp_path / "other", "config", *setting)
    theirs = Registry.open(tmp_path / "other", "origin")
    theirs.register(project.head, "text", "v3.0.0")
    theirs.push()

    assert [event.version for event in opened(project).events()] == ["v3.0.0"]


def test_a_remote_that_does_not_answer_stops_the_command(project) -> None:
    project.git("remote", "set-url", "origin", "../nowhere.git")

    with pytest.raises(UserError, match="git fetch"):
        opened(project)


def test_a_folder_that_is_no_clone_or_not_its_top_is_refused(project) -> None:
    (project.root / "below").mkdir()

    with pytest.raises(UserError, match="top of"):
        Registry.open(project.root / "below", "origin")


def test_a_tag_of_the_future_is_refused(project, monkeypatch) -> None:
    versions = opened(project)
    first = versions.register(project.head, "text")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2099-01-01T00:00:00Z")
    project.git("tag", "--annotate", "--message", "x", "clinical-ner#prod#1")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    project.git("commit", "--quiet", "--allow-empty", "--message", "Other")
    second = versions.register(project.head, "text")

    with pytest.raises(UserError, match="of the future"):
        versions.assign(second, PROD, f"after {first}")


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], None),
        (["v1"], None),
        (["v1", "v2"], "v1"),
        (["v1", "v2", "v3", "v2"], "v1"),
        (["v1", "v2", "v1"], None),
        (["v1", "v2", "v1", "v3"], "v1"),
        (["v1", "v2", "v3", "v1"], None),
        (["v1", "v2", "v2"], "v1"),
    ],
)
def test_what_was_rolled_back_is_not_gone_back_to(versions: list[str], expected: str | None) -> None:
    assert previous(assigned(*versions), PROD) == expected


def test_other_stages_are_no_predecessors() -> None:
    events = [Event("m#dev#1", "v0", "dev", "c", AT, "A", None), *assigned("v1")]

    assert previous(events, PROD) is None

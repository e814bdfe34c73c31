"""A key is shown once; the file keeps its hash, in no other way than whole, and nobody else may read it."""

from __future__ import annotations

import hmac
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.serving import keys
from clinical_ner.serving.keys import Role

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "keys.json"


def test_a_key_is_found_by_its_secret_and_says_when_it_was_revoked(file: Path) -> None:
    key, secret = keys.create(file, "ward 7", [Role.FEEDBACK, Role.EXTRACT, Role.EXTRACT], NOON)

    before = keys.read(file).find(secret)
    keys.revoke(file, key.id, NOON + timedelta(days=1))
    after = keys.read(file).find(secret)

    assert before == key
    assert key.roles == (Role.EXTRACT, Role.FEEDBACK)
    assert after is not None
    assert after.revoked == NOON + timedelta(days=1)
    assert keys.read(file).valid == ()


@pytest.mark.parametrize("asked", ["the first", "the last", "a wrong one"])
def test_whichever_key_is_looked_up_it_is_compared_with_all_in_constant_time(
    file: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [keys.create(file, "n", [Role.ADMIN], NOON) for _ in range(3)]
    key, secret = {"the first": made[0], "the last": made[-1], "a wrong one": (None, "cner_wrong")}[asked]
    compared: list[tuple[str, str]] = []

    def compare_digest(one: str, other: str) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(keys, "hmac", SimpleNamespace(compare_digest=compare_digest))
    found = keys.read(file).find(secret)

    assert found == key
    assert compared == [(one.sha256, keys.fingerprint(secret)) for one, _ in made]
    assert {len(digest) for pair in compared for digest in pair} == {64}


def test_secrets_have_256_bits_and_are_not_in_the_file(file: Path) -> None:
    made = [keys.create(file, "n", [Role.ADMIN], NOON)[1] for _ in range(20)]

    assert len(set(made)) == 20
    assert all(len(secret.removeprefix("cner_")) == 43 for secret in made)  # 6 bits each
    assert not any(secret in file.read_text() for secret in made)


def test_only_the_owner_may_read_a_new_file(file: Path) -> None:
    keys.create(file, "n", [Role.ADMIN], NOON)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o440, 0o440), (0o666, 0o640)])
def test_a_change_lets_those_read_who_could_but_never_everybody(file: Path, before: int, after: int) -> None:
    key, _ = keys.create(file, "n", [Role.ADMIN], NOON)
    file.chmod(before)

    keys.revoke(file, key.id, NOON)

    assert stat.S_IMODE(file.stat().st_mode) == after


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_change_leaves_the_file_to_the_user_and_the_group_of_the_service(file: Path) -> None:
    key, _ = keys.create(file, "n", [Role.ADMIN], NOON)
    os.chown(file, 65534, 65533)

    keys.revoke(file, key.id, NOON)

    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65533)


def test_a_second_revocation_keeps_the_time_of_the_first(file: Path) -> None:
    key, _ = keys.create(file, "n", [Role.ADMIN], NOON)

    keys.revoke(file, key.id, NOON)

    assert keys.revoke(file, key.id, NOON + timedelta(days=9)).revoked == NOON


def test_an_unknown_id_is_refused_and_the_right_one_suggested(file: Path) -> None:
    key, _ = keys.create(file, "n", [Role.ADMIN], NOON)

    with pytest.raises(UserError, match=f"did you mean '{key.id}'"):
        keys.revoke(file, key.id[:-1] + "z", NOON)


def test_of_keys_made_at_once_none_is_lost(file: Path) -> None:
    threads = [Thread(target=keys.create, args=(file, f"n{n}", [Role.EXTRACT], NOON)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {key.name for key in keys.read(file).keys} == {f"n{n}" for n in range(12)}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": [{"id": "x"}]}', '{"kys": []}'])
def test_a_damaged_file_is_no_empty_one(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)

    with pytest.raises(UserError, match="no file of keys"):
        keys.read(file)


def test_admin_may_all_and_the_others_what_they_are_called(file: Path) -> None:
    admin, extract = (keys.create(file, "n", [role], NOON)[0] for role in (Role.ADMIN, Role.EXTRACT))

    assert all(admin.may(role) for role in [None, *Role])
    assert [role for role in Role if extract.may(role)] == [Role.EXTRACT]
    assert extract.may(None)


def test_an_unknown_role_is_named(file: Path) -> None:  # noqa: ARG001
    with pytest.raises(UserError, match=r"'extrct'(?s:.*)did you mean 'extract'"):
        keys.roles(["extrct"])


@pytest.mark.parametrize("name", ["", " ", "n" * 201])
def test_a_name_that_says_nothing_or_too_much_is_refused(file: Path, name: str) -> None:
    with pytest.raises(UserError, match="the name of a key"):
        keys.create(file, name, [Role.ADMIN], NOON)

    assert not file.exists()

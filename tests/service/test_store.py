"""The store, on SQLite and on a real PostgreSQL: what goes in comes out, once, and only figures go in unasked."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, Table, create_engine, inspect, select
from typer.testing import CliRunner

from clinical_ner import cli
from clinical_ner.core.errors import UserError
from clinical_ner.core.figures import MIXES, NUMBERS
from clinical_ner.serving import local, store
from clinical_ner.serving.clock import now
from clinical_ner.serving.store import FEEDBACK, METADATA, PREDICTIONS, RejectedError, Store, StoreDownError, TakenError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCRIPTS = ScriptDirectory(str(store.MIGRATIONS))
REVISIONS = [revision.revision for revision in reversed(list(SCRIPTS.walk_revisions()))]


def prediction(created_at: datetime = NOON, **changed: Any) -> dict[str, Any]:
    rates = ("tokens_per_sentence", "diseases_per_100_tokens", "treatments_per_100_tokens")
    shares = ("out_of_vocabulary_rate", "mean_confidence", "unsure_token_rate")
    counts = ("characters", "tokens", "diseases", "treatments")
    known = {
        "prediction_id": uuid4(),
        "request_id": "r-1",
        "created_at": created_at,
        "model_version": "0123456789ab",
        "key_id": "key-1",
        "milliseconds": 1.5,
        "assertions": {"present": 2},
        "sections": {"none": 2},
        "concepts": {"metabolic": 2},
        "ages": {"65_to_74": 1},
        "sexes": {"unsaid": 1},
        "spans": [[0, 4, "DISEASE"]],
        **dict.fromkeys(store.LATER_FIGURES, 0.125),
    }
    return known | dict.fromkeys(rates, 2.5) | dict.fromkeys(shares, 0.25) | dict.fromkeys(counts, 3) | changed


def feedback(created_at: datetime = NOON, **changed: Any) -> dict[str, Any]:
    known = {
        "feedback_id": uuid4(),
        "prediction_id": uuid4(),
        "request_id": "r-2",
        "created_at": created_at,
        "key_id": None,
        "rating": 4,
        "spans": [{"start": 0, "end": 4, "label": "DISEASE", "assertion": None}],
        "text": None,
    }
    return known | changed


def rows(url: str, table: Table) -> list[dict[str, Any]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(select(table).order_by(table.c.created_at)).mappings()]
    engine.dispose()
    return found


@pytest.fixture
def opened(store_url: str) -> Iterator[Store]:
    store.migrate(store_url)
    found = Store.open(store_url)
    yield found
    found.close()


# --- rows ---------------------------------------------------------------------------------------
def test_what_goes_in_comes_out(opened: Store, store_url: str) -> None:
    one, said = prediction(), feedback(text="Gout — 💊", rating=None)

    opened.add_predictions([one])
    is_new = opened.add_feedback(said)

    assert rows(store_url, PREDICTIONS) == [one]
    assert rows(store_url, FEEDBACK) == [said]
    assert is_new


def test_times_are_kept_as_utc_whatever_their_zone(opened: Store, store_url: str) -> None:
    east = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=9)))

    opened.add_predictions([prediction(created_at=east)])

    (found,) = rows(store_url, PREDICTIONS)
    assert found["created_at"] == east
    assert found["created_at"].tzinfo is UTC


def test_spans_that_nobody_judged_differ_from_none_at_all(opened: Store, store_url: str) -> None:
    opened.add_feedback(feedback(spans=None, created_at=NOON))
    opened.add_feedback(feedback(spans=[], created_at=NOON + timedelta(hours=1)))

    assert [row["spans"] for row in rows(store_url, FEEDBACK)] == [None, []]


@pytest.mark.parametrize(
    "said", [{}, {"rating": None}, {"spans": None, "text": "Gout \u2014 \U0001f48a"}, {"spans": []}]
)
def test_the_same_feedback_sent_again_is_stored_once(opened: Store, store_url: str, said: dict[str, Any]) -> None:
    one = feedback(**said)
    again = one | {"created_at": NOON + timedelta(hours=1), "request_id": "r-3"}

    news = [opened.add_feedback(one), opened.add_feedback(again)]

    assert news == [True, False]
    assert rows(store_url, FEEDBACK) == [one]


@pytest.mark.parametrize("other", [{"rating": 1}, {"prediction_id": uuid4()}, {"spans": []}, {"text": "gout"}])
def test_other_feedback_under_the_same_id_is_refused_and_the_first_stays(
    opened: Store, store_url: str, other: dict[str, Any]
) -> None:
    one = feedback()
    opened.add_feedback(one)

    with pytest.raises(TakenError):
        opened.add_feedback(one | other)

    assert rows(store_url, FEEDBACK) == [one]


def test_a_batch_written_again_after_a_lost_answer_is_stored_once(opened: Store, store_url: str) -> None:
    batch = [prediction(), prediction()]

    opened.add_predictions(batch)
    opened.add_predictions([*batch, prediction()])

    assert len(rows(store_url, PREDICTIONS)) == 3


def test_rows_that_will_never_fit_are_told_apart_from_a_store_that_is_down(opened: Store, store_url: str) -> None:
    with pytest.raises(RejectedError):
        opened.add_predictions([prediction(), prediction(model_version=None)])
    assert rows(store_url, PREDICTIONS) == []


def test_an_error_quotes_nothing_of_a_row(opened: Store) -> None:
    with pytest.raises(RejectedError) as caught:
        opened.add_feedback(feedback(prediction_id=None, text="Zyxwvut"))

    shown = repr([caught.value, caught.value.__cause__, caught.value.__suppress_context__])
    assert "Zyxwvut" not in shown
    assert caught.value.__suppress_context__


def test_a_store_without_tables_is_down(store_url: str) -> None:
    opened = Store.open(store_url)

    with pytest.raises(StoreDownError):
        opened.add_predictions([prediction()])


def test_a_store_where_nothing_may_be_written_is_down() -> None:
    opened = Store.open("sqlite:////dev/null/folder/store.sqlite")

    with pytest.raises(StoreDownError):
        opened.add_predictions([prediction()])


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store.migrate(url)

    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_only_the_owner_may_read_the_files_of_a_new_sqlite(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "too"
    url = f"sqlite:///{folder / 'store.sqlite'}"
    store.migrate(url)
    opened = Store.open(url)

    opened.add_feedback(feedback(text="gout"))

    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    opened.close()
    assert found == dict.fromkeys(["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"], 0o600)


def test_what_sqlite_has_taken_survives_a_loss_of_power(tmp_path: Path) -> None:
    engine = store._engine(f"sqlite:///{tmp_path / 'store.sqlite'}")

    with engine.connect() as connection:
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()

    engine.dispose()
    assert synchronous == 2  # FULL


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://somebody:secret@host/name", "sqlite+secret://x"])
def test_another_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(UserError, match="CLINICAL_NER_STORE") as caught:
        Store.open(url)

    assert "secret" not in str(caught.value)


# --- two writers ----------------------------------------------------------------------------------
def write_many(url: str, start: Any) -> None:
    opened = Store.open(url)
    start.wait()
    for _ in range(40):
        opened.add_predictions([prediction() for _ in range(5)])
        opened.add_feedback(feedback())


def exit_codes_of_two(task: Callable[[str, Any], None], url: str) -> list[int | None]:
    """How two processes end that do this to the store at once; they wait for the event before they begin."""
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    both = [context.Process(target=task, args=(url, start)) for _ in range(2)]
    for process in both:
        process.start()
    start.set()
    for process in both:
        process.join(120)
    return [process.exitcode for process in both]


def test_of_what_two_processes_write_at_once_nothing_is_lost(opened: Store, store_url: str) -> None:  # noqa: ARG001
    assert exit_codes_of_two(write_many, store_url) == [0, 0]
    assert len(rows(store_url, PREDICTIONS)) == 400
    assert len(rows(store_url, FEEDBACK)) == 80


def test_who_reads_keeps_nobody_from_writing(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    store.migrate(store_url)
    reading, writing = Store.open(store_url), Store.open(store_url)
    writing.add_feedback(feedback(NOON))
    true, written = store.UtcDateTime.process_result_value, []

    def meanwhile(*arguments: Any) -> Any:
        written.append(writing.add_feedback(feedback(NOON)))
        return true(*arguments)

    monkeypatch.setattr(store.UtcDateTime, "process_result_value", meanwhile)  # of a row that is being read
    found = reading.feedback(NOON, NOON + timedelta(days=1))

    reading.close()
    writing.close()
    assert (len(found), written) == (1, [True])


# --- migrations -------------------------------------------------------------------------------------
@pytest.mark.parametrize("revision", [None, *REVISIONS])
def test_from_every_revision_the_tables_come_up_to_date(store_url: str, revision: str | None) -> None:
    if revision:
        store.migrate(store_url, revision)

    store.migrate(store_url)

    engine = create_engine(store_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == SCRIPTS.get_current_head()


def test_rows_survive_a_migration_to_where_they_are(opened: Store, store_url: str) -> None:
    opened.add_predictions([prediction()])

    store.migrate(store_url)

    assert len(rows(store_url, PREDICTIONS)) == 1


def test_the_first_revision_can_be_taken_back(store_url: str) -> None:
    from alembic import command

    store.migrate(store_url)
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS))
    engine = create_engine(store_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}


def migrate_when_told(url: str, start: Any) -> None:
    start.wait()
    store.migrate(url)


def test_two_servers_may_migrate_at_once(store_url: str) -> None:
    assert exit_codes_of_two(migrate_when_told, store_url) == [0, 0]


def test_a_store_of_a_newer_version_is_left_alone(store_url: str) -> None:
    store.migrate(store_url)
    engine = create_engine(store_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from_later'")
    engine.dispose()

    with pytest.raises(UserError, match=r"newer version(?s:.*)remedy"):
        store.migrate(store_url)


@pytest.mark.parametrize("work", ["migrate", "prune"])
def test_a_command_may_wait_longer_than_a_request(postgresql: Any, monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    url = postgresql.database(f"patient_{work}")
    store.migrate(url)
    monkeypatch.setattr(store, "STATEMENT_MILLISECONDS", 100)
    engine = create_engine(url)
    holding = engine.connect()
    holding.exec_driver_sql("LOCK TABLE predictions, feedback")
    holding.exec_driver_sql(f"SELECT pg_advisory_xact_lock({store.MIGRATION_LOCK})")
    released = threading.Timer(0.5, holding.rollback)
    released.start()

    if work == "migrate":
        store.migrate(url)
    else:
        Store.open(url).prune(NOON)

    released.join()
    holding.close()
    engine.dispose()


def test_a_connection_to_a_postgresql_that_is_gone_ends(postgresql: Any) -> None:
    engine = store._engine(postgresql.database("gone"))

    with engine.connect() as connection:
        asked = connection.connection.driver_connection.info.get_parameters()

    engine.dispose()
    assert (asked["tcp_user_timeout"], asked["keepalives_idle"]) == ("4000", "10")


# --- monitoring ---------------------------------------------------------------------------------------
def monitoring_run(created_at: datetime = NOON, **changed: Any) -> dict[str, Any]:
    known = {"run_id": uuid4(), "created_at": created_at, "since": NOON, "until": NOON, "notes": 300, "verdict": "none"}
    figures = {"distance": 0.5, "separation": 0.5, "mean_confidence": 0.9, "judged": 0, "agreement": None}
    return known | figures | {"report": {"verdict": "none", "actions": ["log"]}} | changed


def test_the_last_run_is_the_newest_and_comes_without_its_report(opened: Store) -> None:
    newest = monitoring_run(NOON + timedelta(hours=1), verdict="alert", agreement=0.7)
    for run in (monitoring_run(), newest, monitoring_run(NOON - timedelta(hours=1))):
        opened.add_run(run)

    told = {name: value for name, value in newest.items() if name != "report"}
    assert opened.last_run() == told | {"actions": ["log"]}


def test_before_the_first_run_there_is_none(opened: Store) -> None:
    assert opened.last_run() is None


def test_a_window_holds_its_beginning_and_not_its_end(opened: Store) -> None:
    times = [NOON + timedelta(hours=hours) for hours in (-1, 0, 1, 2)]
    opened.add_predictions([prediction(at) for at in times])

    found = opened.predictions(NOON, NOON + timedelta(hours=2))

    assert [row["created_at"] for row in found] == times[1:3]


def test_what_is_monitored_comes_without_the_text(opened: Store) -> None:
    opened.add_feedback(feedback(text="Gout"))
    window = NOON, NOON + timedelta(hours=1)

    assert "text" not in opened.feedback(*window)[0]
    assert opened.corrections(*window)[0]["text"] == "Gout"


def test_feedback_comes_with_what_was_predicted_if_that_is_known(opened: Store) -> None:
    one = prediction()
    opened.add_predictions([one])
    opened.add_feedback(feedback(prediction_id=one["prediction_id"]))
    opened.add_feedback(feedback(created_at=NOON + timedelta(minutes=1)))

    found = opened.feedback(NOON, NOON + timedelta(hours=1))

    assert [row["predicted"] for row in found] == [[[0, 4, "DISEASE"]], None]


def test_predictions_from_before_the_second_migration_stay_and_lack_its_figures(store_url: str) -> None:
    store.migrate(store_url, "0001")
    columns = [column for column in PREDICTIONS.c if column.name in OF_THE_FIRST]
    engine = create_engine(store_url)
    with engine.begin() as connection:
        row = {name: value for name, value in prediction().items() if name in OF_THE_FIRST}
        connection.execute(Table("predictions", MetaData(), *(Column(c.name, c.type) for c in columns)).insert(), row)
    engine.dispose()

    store.migrate(store_url)

    (found,) = rows(store_url, PREDICTIONS)
    assert {name: found[name] for name in row} == row
    assert {found[name] for name in found.keys() - row.keys()} == {None}


def test_each_figure_of_a_note_has_a_column() -> None:
    assert {*NUMBERS, *MIXES} <= set(PREDICTIONS.c.keys())


OF_THE_FIRST = set(PREDICTIONS.c.keys()) - {*store.LATER_FIGURES, "concepts", "ages", "sexes", "spans"}


# --- retention ----------------------------------------------------------------------------------------
def test_what_is_older_goes_and_the_rest_stays(opened: Store, store_url: str) -> None:
    ages = {name: NOON - timedelta(days=days) for name, days in {"old": 91, "young": 89}.items()}
    for created_at in ages.values():
        opened.add_predictions([prediction(created_at)])
        opened.add_feedback(feedback(created_at))

    gone = opened.prune(NOON - timedelta(days=90))

    assert gone == {"predictions": 1, "feedback": 1}
    assert [row["created_at"] for table in (PREDICTIONS, FEEDBACK) for row in rows(store_url, table)] == 2 * [
        ages["young"]
    ]


def test_of_what_was_pruned_no_byte_is_left_while_a_service_has_the_file_open(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store.migrate(url)
    serving, pruning = Store.open(url), Store.open(url)
    for number in range(50):
        serving.add_feedback(feedback(NOON - timedelta(days=91), text=f"Zyxwvut {number} has gout. " * 200))
    serving.add_feedback(feedback(NOON))

    before = files_with("Zyxwvut", tmp_path)
    pruning.prune(NOON - timedelta(days=90))

    after = files_with("Zyxwvut", tmp_path)
    serving.close()
    pruning.close()
    assert before
    assert after == set()


def test_a_reader_that_holds_on_to_what_was_pruned_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store.migrate(url)
    opened = Store.open(url)
    opened.add_feedback(feedback(NOON - timedelta(days=91), text="Zyxwvut"))
    reader = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM feedback").fetchall()

    with pytest.raises(StoreDownError, match="prune again"):
        opened.prune(NOON)
    reader.close()
    opened.prune(NOON)

    opened.close()
    assert files_with("Zyxwvut", tmp_path) == set()


def files_with(word: str, folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if word.encode() in path.read_bytes()}


def test_the_commands_make_and_prune_a_store(store_url: str) -> None:
    run = CliRunner().invoke
    environment = {"CLINICAL_NER_STORE": store_url}

    made = run(cli.app, ["store", "migrate"], env=environment)
    opened = Store.open(store_url)
    opened.add_predictions([prediction(now() - timedelta(days=31)), prediction(now())])
    pruned = run(cli.app, ["store", "prune", "--older-than", "30d"], env=environment)

    assert made.exit_code == pruned.exit_code == 0
    assert pruned.stdout == "predictions: 1 rows deleted\nfeedback: 0 rows deleted\n"
    assert len(rows(store_url, PREDICTIONS)) == 1


@pytest.mark.parametrize("age", ["90", "0d", "-1d", "all", "1.5d"])
def test_an_age_that_is_none_deletes_nothing(age: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["store", "prune", "--older-than", age, "--store", f"sqlite:///{tmp_path}/s"])

    assert isinstance(done.exception, UserError)
    assert "--older-than" in str(done.exception)


def test_a_file_that_is_not_there_is_not_pruned_and_not_made(tmp_path: Path) -> None:
    file = tmp_path / "misspelt.sqlite"

    done = CliRunner().invoke(cli.app, ["store", "prune", "--older-than", "30d", "--store", f"sqlite:///{file}"])

    assert isinstance(done.exception, UserError)
    assert str(file) in str(done.exception)
    assert not file.exists()


@pytest.mark.parametrize("command", [["migrate"], ["prune", "--older-than", "30d"]], ids=lambda command: command[0])
def test_a_command_says_that_the_store_is_down_and_not_its_password(command: list[str]) -> None:
    nowhere = f"postgresql+psycopg://nobody:secret@127.0.0.1:{local.free_port()}/none"

    done = CliRunner().invoke(cli.app, ["store", *command, "--store", nowhere])

    assert isinstance(done.exception, UserError)
    assert "the store cannot be reached" in str(done.exception)
    assert "secret" not in str(done.exception)


def test_ids_come_back_as_uuids(opened: Store, store_url: str) -> None:
    opened.add_predictions([prediction()])

    assert isinstance(rows(store_url, PREDICTIONS)[0]["prediction_id"], UUID)

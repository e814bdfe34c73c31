"""The store: predictions in figures, without text, and feedback, with text only where the user sent it.

SQLite in WAL mode by default, PostgreSQL by URL. The tables are those of the newest migration in `migrations/`; a test
compares. Times are UTC and aware, also where SQLite keeps none of that.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    URL,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    create_engine,
    delete,
    event,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError

from clinical_ner.core.errors import UserError

BUSY_SECONDS = 5.0  # how long a writer of SQLite waits for another one
CACHE_KIBIBYTES = 512  # of SQLite's pages; what is written is rarely read again
WAL_SECONDS = 0.01  # between looks whether it may write ahead
CONNECT_SECONDS = 2  # a PostgreSQL that does not answer counts as down; less means the same to it
STATEMENT_MILLISECONDS = 4_000
KEEPALIVE_SECONDS = 10
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 7_264_019  # any number of our own


class StoreDownError(Exception):
    """The store did not take what it was given; the message holds nothing of it."""


class RejectedError(Exception):
    """The store will never take these rows; the message holds nothing of them."""


class TakenError(Exception):
    """Other feedback has this id; the message holds nothing of either."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


LATER_FIGURES = (
    *("lines_per_100_tokens", "broken_per_1000_characters", "entity_confidence", "capital_rate", "number_rate"),
    *("punctuation_rate", "function_word_rate", "non_ascii_rate", "empty_rate"),
)
METADATA = MetaData()
PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("prediction_id", Uuid, primary_key=True),
    Column("request_id", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("model_version", String(12), nullable=False),
    Column("key_id", String(64), comment="whose key it was; null: local use"),
    Column("milliseconds", Float, nullable=False, comment="to read the note"),
    Column("characters", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("tokens_per_sentence", Float, nullable=False),
    Column("diseases_per_100_tokens", Float, nullable=False),
    Column("treatments_per_100_tokens", Float, nullable=False),
    Column("out_of_vocabulary_rate", Float, nullable=False),
    Column("mean_confidence", Float, nullable=False),
    Column("unsure_token_rate", Float, nullable=False),
    Column("diseases", Integer, nullable=False),
    Column("treatments", Integer, nullable=False),
    Column("assertions", JSON, nullable=False, comment="entities by assertion"),
    Column("sections", JSON, nullable=False, comment="entities by section; those under no heading: none"),
    # Null in what was stored before the second migration.
    *(Column(name, Float) for name in LATER_FIGURES),
    Column("concepts", JSON(none_as_null=True), comment="entities by the group of their concept"),
    Column("ages", JSON(none_as_null=True), comment="the patient's age group: 1"),
    Column("sexes", JSON(none_as_null=True), comment="the patient's sex, as the note's words have it: 1"),
    Column("spans", JSON(none_as_null=True), comment="start, end and label of each entity: no text"),
    Index("predictions_created_at", "created_at"),
)
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("feedback_id", Uuid, primary_key=True),
    # No foreign key: feedback to a prediction that fell into a gap, or was pruned, is still worth having.
    Column("prediction_id", Uuid, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("key_id", String(64), comment="whose key it was; null: local use"),
    Column("rating", SmallInteger, comment="1 to 5; null: not rated"),
    Column("spans", JSON(none_as_null=True), comment="all entities of the note; null: not judged"),
    Column("text", Text, comment="the note, only where the user sent it"),
    Index("feedback_created_at", "created_at"),
    Index("feedback_prediction_id", "prediction_id"),
)
MONITORING_RUNS = Table(
    "monitoring_runs",
    METADATA,
    Column("run_id", Uuid, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("notes", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("distance", Float, nullable=False, comment="of the furthest figure, in its thresholds: alert from 1 on"),
    Column("separation", Float, nullable=False, comment="the AUC of telling the window from the reference"),
    Column("mean_confidence", Float, nullable=False),
    Column("judged", Integer, nullable=False, comment="notes with corrections"),
    Column("agreement", Float, comment="strict F1 against the corrections; null: too few are judged"),
    Column("report", JSON, nullable=False, comment="monitor.json"),
    Index("monitoring_runs_created_at", "created_at"),
)
SAID = ("prediction_id", "rating", "spans", "text")  # what makes feedback the same when it is sent again


class Store:
    """The tables behind a URL; opening it connects to nothing, so a store that is down stops nobody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readers = engine.execution_options(reads_only=True)
        # Only the dialect in use is imported: PostgreSQL's is 2 MB.
        self._insert = import_module(f"sqlalchemy.dialects.{engine.dialect.name}").insert

    @classmethod
    def open(cls, url: str) -> Store:
        """The store at SQLAlchemy's URL.

        Raises:
            UserError: it is no URL of SQLite or PostgreSQL; the message does not repeat it, as it may hold a password.
        """
        return cls(_engine(url))

    def add_predictions(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store predictions; those that are stored already stay as they are.

        Raises:
            StoreDownError: the store cannot be reached or written now; nothing is stored, and it is worth trying again.
            RejectedError: it will not take these rows; nothing is stored.
        """
        with self._writing() as connection:
            connection.execute(self._insert(PREDICTIONS).on_conflict_do_nothing(), rows)

    def add_feedback(self, row: Mapping[str, Any]) -> bool:
        """Store feedback once; whether it was new.

        Raises:
            StoreDownError, RejectedError: as of predictions.
            TakenError: what is stored under its id says something else; it stays.
        """
        statement = self._insert(FEEDBACK).on_conflict_do_nothing().returning(FEEDBACK.c.feedback_id)
        stored = select(*(FEEDBACK.c[name] for name in SAID)).where(FEEDBACK.c.feedback_id == row["feedback_id"])
        with self._writing() as connection:
            if connection.execute(statement, row).first() is not None:
                return True
            if dict(connection.execute(stored).mappings().one()) != {name: row[name] for name in SAID}:
                raise TakenError
        return False

    def add_run(self, row: Mapping[str, Any]) -> None:
        """Store a monitoring run, once.

        Raises:
            StoreDownError, RejectedError: as of predictions.
        """
        with self._writing() as connection:
            connection.execute(self._insert(MONITORING_RUNS).on_conflict_do_nothing(), row)

    def last_run(self) -> dict[str, Any] | None:
        """The newest monitoring run with the `actions` of its report, not all of that; none, if there is none.

        Raises:
            StoreDownError: the store cannot be read now.
        """
        columns = [column for column in MONITORING_RUNS.c if column.name != "report"]
        actions = MONITORING_RUNS.c.report["actions"].label("actions")
        newest = select(*columns, actions).order_by(MONITORING_RUNS.c.created_at.desc()).limit(1)
        with self._reading() as connection:
            found = connection.execute(newest).mappings().first()
        return dict(found) if found else None

    def predictions(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The predictions from `since` to before `until`, in order of time.

        Raises:
            StoreDownError: the store cannot be read now.
        """
        return self._between(PREDICTIONS, since, until)

    def feedback(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The feedback from `since` to before `until`, in order of time, each with the `predicted` spans and the
        `model_version` if known.

        The texts stay in the store: what monitors and counts has no use for them.

        Raises:
            StoreDownError: the store cannot be read now.
        """
        columns = [column for column in FEEDBACK.c if column.name != "text"]
        of_prediction = (PREDICTIONS.c.spans.label("predicted"), PREDICTIONS.c.model_version)
        return self._between(FEEDBACK, since, until, *columns, *of_prediction)

    def corrections(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The feedback from `since` to before `until`, in order of time, each with the `model_version` if known.

        Raises:
            StoreDownError: the store cannot be read now.
        """
        return self._between(FEEDBACK, since, until, *FEEDBACK.c, PREDICTIONS.c.model_version)

    def runs(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The monitoring runs from `since` to before `until`, in order of time.

        Raises:
            StoreDownError: the store cannot be read now.
        """
        return self._between(MONITORING_RUNS, since, until)

    def _between(self, table: Table, since: datetime, until: datetime, *columns: Any) -> list[dict[str, Any]]:
        """All columns of the table, or these, which may be of the prediction that a row is about."""
        source = (
            table.outerjoin(PREDICTIONS, PREDICTIONS.c.prediction_id == table.c.prediction_id) if columns else table
        )
        within = (table.c.created_at >= since) & (table.c.created_at < until)
        order = (table.c.created_at, *table.primary_key)
        statement = select(*(columns or table.c)).select_from(source).where(within).order_by(*order)
        with self._reading() as connection:
            _take_time(connection)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def prune(self, before: datetime) -> dict[str, int]:
        """Delete what is older; how many rows went, by table.

        Raises:
            StoreDownError: the store cannot be reached or written now, and nothing is deleted; or all is, but a reader
                of SQLite's file holds on to the bytes.
        """
        with self._writing() as connection:
            _take_time(connection)
            gone = {
                table.name: connection.execute(delete(table).where(table.c.created_at < before)).rowcount
                for table in (PREDICTIONS, FEEDBACK)  # runs hold figures of many notes, and are few
            }
        self._forget()
        return gone

    def _forget(self) -> None:
        """Empty SQLite's log of writes, which still holds what was deleted; a transaction cannot."""
        if self._engine.dialect.name == "sqlite":
            with closing(self._engine.raw_connection()) as connection:
                (is_busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise StoreDownError("rows are deleted, but somebody reads: prune again, to overwrite them")

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def _writing(self) -> AbstractContextManager[Connection]:
        return _transaction(self._engine)

    def _reading(self) -> AbstractContextManager[Connection]:
        return _transaction(self._readers)


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction; what the driver complains about is told apart, and its message dropped: it quotes rows."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _told_apart(error) from None


def _told_apart(error: Exception) -> StoreDownError | RejectedError:
    """Whether rows are refused for good, or the store is down."""
    refused = isinstance(error, IntegrityError | DataError)
    return RejectedError(type(error).__name__) if refused else StoreDownError(type(error).__name__)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ENGINES:
            raise ArgumentError
        return ENGINES[parsed.get_backend_name()](parsed)
    except (ArgumentError, ImportError) as error:
        needs = " (the extra 'postgresql' is not installed)" if isinstance(error, ImportError) else ""
        raise UserError(
            f"CLINICAL_NER_STORE is no URL of a store{needs}", "sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
        ) from None


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True, json_serializer=_json)
    file = sqlite_file(url)
    if file:
        event.listen(engine, "do_connect", lambda *_: _make(file))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def sqlite_file(url: URL) -> Path | None:
    """The file of a store in SQLite; none, if it is in memory or elsewhere."""
    in_file = url.get_backend_name() == "sqlite" and url.database and not url.database.startswith((":", "file:"))
    return Path(url.database) if in_file and url.database else None


def _make(file: Path) -> None:
    """Make a file that only its owner may read; SQLite gives those beside it the same mode."""
    with suppress(OSError):  # where nothing may be written the store is down, as another one may be
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    """WAL lets readers read while one writes; transactions begin when SQLAlchemy says so, tables included.

    What is answered as stored survives a loss of power, and what is deleted is overwritten.
    """
    connection.isolation_level = None
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")


def _begin(connection: Connection) -> None:
    """Begin to write in one's turn; who only reads needs none, and keeps nobody waiting."""
    reads = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Write ahead; SQLite itself does not wait for another process that is changing to it at this moment."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(WAL_SECONDS)


def _postgresql(url: URL) -> Engine:
    """An engine that checks a pooled connection before it is used, and gives up soon where nobody answers."""
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "options": f"-c statement_timeout={STATEMENT_MILLISECONDS}",
        "tcp_user_timeout": STATEMENT_MILLISECONDS,  # of a server that is gone nothing ends a statement but this
        "keepalives_idle": KEEPALIVE_SECONDS,
    }
    return create_engine(
        url, pool_pre_ping=True, pool_size=2, connect_args=arguments, hide_parameters=True, json_serializer=_json
    )


def _json(content: Any) -> str:
    """What is stored here reads back as from the standard library's JSON, which takes longer."""
    return to_json(content).decode()


def _take_time(connection: Connection) -> None:
    """Let this transaction wait and work as long as it needs: no request waits for it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


ENGINES: dict[str, Callable[[URL], Engine]] = {"sqlite": _sqlite, "postgresql": _postgresql}


def require_file(url: str) -> None:
    """Refuse the URL of a file that is not there, which opening would make.

    Raises:
        UserError: there is none, or it is no URL of a store.
    """
    file = sqlite_file(_engine(url).url)
    if file and not file.is_file():
        raise UserError(f"there is no store {file}", "name another with --store or CLINICAL_NER_STORE")


def migrate(url: str, revision: str = "head") -> None:
    """Bring the tables up to this revision; several servers may do so at once.

    Raises:
        UserError: it is no URL of a store, or its tables are of a newer version of this program.
        StoreDownError: the store cannot be reached or changed now.
    """
    from alembic import command  # a worker needs neither Alembic nor its templates
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            _take_time(connection)
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except SQLAlchemyError as error:
        raise _told_apart(error) from None
    except CommandError:
        raise UserError(
            "the store was made by a newer version of this program", "install that version, or name another store"
        ) from None
    finally:
        engine.dispose()

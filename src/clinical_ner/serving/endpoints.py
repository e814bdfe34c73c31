"""What each route answers, once a request may have it: one method a route, named as in `routes.ROUTES`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from clinical_ner.core.files import read_json
from clinical_ner.core.span import ASSERTIONS, LABELS, SECTIONS
from clinical_ner.ner.fhir import bundle
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import metrics, pages, problems
from clinical_ner.serving.clock import now
from clinical_ner.serving.contract import Feedback, Note, NoteForFhir, Notes
from clinical_ner.serving.exchange import Exchange, Reply, dump
from clinical_ner.serving.logs import logger
from clinical_ner.serving.monitored import LastRun
from clinical_ner.serving.places import VERSION_FILE
from clinical_ner.serving.problems import RefusedError
from clinical_ner.serving.reading import NoteMetrics, NoteRead, read_note
from clinical_ner.serving.recorder import Recorder
from clinical_ner.serving.routes import FHIR, TEXT
from clinical_ner.serving.settings import Settings
from clinical_ner.serving.store import Store, StoreDownError, TakenError

AT_ONCE_CHARACTERS = 2_000  # so short are read where they arrive: the way to a thread costs as much as reading
STORE_THREADS = 4

Body = TypeVar("Body", bound=BaseModel)


class Endpoints:
    """The functions behind the routes, over one model and one store."""

    def __init__(self, settings: Settings, tagger: Tagger, store: Store) -> None:
        self.version = tagger.manifest.version
        self._settings = settings
        self._tagger = tagger
        self._store = store
        self._recorder = Recorder(store, settings.store_queue)
        self._reading = ThreadPoolExecutor(1, "reading")
        self._storing = ThreadPoolExecutor(STORE_THREADS, "storing")
        self._scraping = ThreadPoolExecutor(1, "scraping")  # of its own: figures matter most while the store hangs
        self._metrics = NoteMetrics()
        self._release = released_as(settings.model, self.version)
        self._last_run = LastRun(store, self._storing)
        self._last_run.refresh()
        metrics.MODEL.labels(self.version, self._release or "none").set(1)
        self._files = pages.files()
        self._described = described(settings, tagger, self._release)
        self._openapi = b""
        self._is_ready = True

    def stop(self) -> None:
        """Store what waits; it is not ready any more."""
        self._is_ready = False
        self._reading.shutdown(cancel_futures=True)
        self._storing.shutdown()
        self._scraping.shutdown()
        self._recorder.stop()
        self._store.close()

    # --- the routes -------------------------------------------------------------------------------
    async def extract(self, exchange: Exchange) -> Reply:
        """The answer to one note or several; they are stored in figures, in the background."""
        asked = parse_notes(await exchange.json_body(self._settings.max_body_bytes))
        notes = asked.notes if isinstance(asked, Notes) else [asked]
        self._check_sizes(notes, "notes.{}.text" if isinstance(asked, Notes) else "text")
        read = await self._read(notes)
        for note in read:
            self._keep(note, exchange)
        answers = [note.answer for note in read]
        answer = {"notes": answers} if isinstance(asked, Notes) else answers[0]
        return Reply(200, dump(answer | self._envelope(exchange)))

    async def extract_fhir(self, exchange: Exchange) -> Reply:
        """The answer to one note as a Bundle; the prediction id is in a header, as a Bundle has no place for it."""
        note = parse(NoteForFhir, await exchange.json_body(self._settings.max_body_bytes))
        self._check_length("text", note.text)
        (read,) = await self._read([note])
        self._keep(read, exchange)
        prediction_id = read.answer["prediction_id"]
        found = bundle(note.id or prediction_id, note.text, read.reading, note.subject)
        return Reply(200, dump(found), FHIR, ((b"x-prediction-id", prediction_id.encode()),))

    async def feedback(self, exchange: Exchange) -> Reply:
        """The feedback is stored before it is answered."""
        given = parse(Feedback, await exchange.json_body(self._settings.max_body_bytes))
        self._check_length("text", given.text or "")
        row = feedback_row(given, exchange)
        new = await self._store_feedback(row)
        if new:
            count_feedback(given)
        answer = {
            "feedback_id": str(row["feedback_id"]),
            "prediction_id": str(given.prediction_id),
            "repeated": not new,
            **self._envelope(exchange),
        }
        return Reply(201 if new else 200, dump(answer))

    async def model(self, exchange: Exchange) -> Reply:
        """The model, its labels and its scores."""
        return Reply(200, dump(self._described | self._envelope(exchange)))

    async def openapi(self, _: Exchange) -> Reply:
        """The OpenAPI document, made when it is first asked for."""
        from clinical_ner.serving import openapi  # most workers are never asked, and making it takes 7 MB

        self._openapi = self._openapi or dump(openapi.document(self.version))
        return Reply(200, self._openapi)

    async def metrics(self, _: Exchange) -> Reply:
        """The figures for Prometheus."""
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(self._scraping, metrics.exposition, self._last_run)
        self._last_run.refresh()
        return Reply(200, content, CONTENT_TYPE_LATEST)

    async def page(self, exchange: Exchange) -> Reply:
        """A file of the page."""
        if exchange.path not in self._files:
            raise RefusedError(problems.NOT_FOUND)
        file = self._files[exchange.path]
        return Reply(200, file.content, file.media_type, ((b"content-security-policy", pages.POLICY.encode()),))

    async def live(self, _: Exchange) -> Reply:
        """The process answers."""
        return Reply(200, b"alive\n", TEXT)

    async def ready(self, _: Exchange) -> Reply:
        """Requests may be sent."""
        if not (self._is_ready and self._recorder.is_alive):
            raise RefusedError(problems.NOT_READY)
        return Reply(200, b"ready\n", TEXT)

    # --- what they do -----------------------------------------------------------------------------
    def _envelope(self, exchange: Exchange) -> dict[str, str]:
        return {"request_id": exchange.request_id, "model_version": self.version}

    def _check_sizes(self, notes: Sequence[Note], place: str) -> None:
        if len(notes) > self._settings.max_notes:
            raise RefusedError(problems.TOO_MANY_NOTES, [("notes", f"more than {self._settings.max_notes}")])
        for number, note in enumerate(notes):
            self._check_length(place.format(number), note.text)

    def _check_length(self, place: str, text: str) -> None:
        if len(text) > self._settings.max_note_characters:
            longest = f"more than {self._settings.max_note_characters} characters"
            raise RefusedError(problems.NOTE_TOO_LONG, [(place, longest)])

    async def _read(self, notes: Sequence[Note]) -> list[NoteRead]:
        """The notes read: short ones at once, others in a thread, so that probes and short ones need not wait."""
        if sum(len(note.text) for note in notes) <= AT_ONCE_CHARACTERS:
            return [read_note(self._tagger, note) for note in notes]
        deadline = time.monotonic() + self._settings.timeout_seconds
        loop = asyncio.get_running_loop()
        read = await loop.run_in_executor(self._reading, self._read_until, deadline, notes)
        if len(read) < len(notes):
            raise RefusedError(problems.TIMEOUT)
        return read

    def _read_until(self, deadline: float, notes: Sequence[Note]) -> list[NoteRead]:
        """The notes read, or as many as could be before the deadline: then nobody waits for them any more."""
        return [read_note(self._tagger, note) for note in notes if time.monotonic() < deadline]

    def _keep(self, note: NoteRead, exchange: Exchange) -> None:
        self._metrics.count(note.figures)
        self._recorder.add(
            {
                **note.figures,
                "request_id": exchange.request_id,
                "created_at": now(),
                "model_version": self.version,
                "key_id": exchange.key and exchange.key.id,
            }
        )

    async def _store_feedback(self, row: dict[str, Any]) -> bool:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._storing, self._store.add_feedback, row)
        except StoreDownError as error:
            metrics.STORE_FAILURES.labels("feedback").inc()
            logger.warning("feedback is not stored: the store is down (%s)", error)
            raise RefusedError(problems.NO_STORE) from None
        except TakenError:
            raise RefusedError(problems.TAKEN, [("feedback_id", "stored before, with other content")]) from None


def parse(model: type[Body], content: bytes) -> Body:
    """The body as the contract has it.

    Raises:
        RefusedError: it is not that.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise problems.refusal(error, model) from None


def parse_notes(content: bytes) -> Note | Notes:
    """One note or several, as the body has a field `notes` or not.

    Raises:
        RefusedError: it is neither.
    """
    try:
        body = from_json(content)
    except ValueError:
        raise RefusedError(problems.MALFORMED) from None
    model = Notes if isinstance(body, dict) and "notes" in body else Note
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise problems.refusal(error, model) from None


def feedback_row(given: Feedback, exchange: Exchange) -> dict[str, Any]:
    """The feedback as a row of the store."""
    return {
        "feedback_id": given.feedback_id or uuid4(),
        "prediction_id": given.prediction_id,
        "request_id": exchange.request_id,
        "created_at": now(),
        "key_id": exchange.key and exchange.key.id,
        "rating": given.rating,
        "spans": None if given.spans is None else [span.model_dump() for span in given.spans],
        "text": given.text,
    }


def count_feedback(given: Feedback) -> None:
    """Count stored feedback by what it says."""
    rating, spans, both = metrics.FEEDBACK_KINDS
    kind = both if given.spans is not None and given.rating else spans if given.rating is None else rating
    metrics.FEEDBACK.labels(kind).inc()
    if given.rating:
        metrics.RATINGS.labels(str(given.rating)).inc()


def released_as(model: Path, model_version: str) -> str | None:
    """The version in the registry that the file beside the model names; none if it names another model, or is none."""
    try:
        found = read_json(model.with_name(VERSION_FILE))
        return str(found["version"]) if found["model_version"] == model_version else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def described(settings: Settings, tagger: Tagger, release: str | None) -> dict[str, Any]:
    """The model as `contract.ModelAnswer` has it, without the envelope."""
    return {
        "labels": list(LABELS),
        "assertions": list(ASSERTIONS),
        "sections": list(SECTIONS),
        "release": release,
        "manifest": tagger.manifest.model_dump(mode="json"),
        "metrics": read_json(settings.metrics) if settings.metrics.is_file() else None,
    }

"""Logs as JSON lines in the Elastic Common Schema; nothing that was sent is ever in them.

Of an exception its type and the places in the code are logged, and not its message: that may hold what was sent.
Elastic's own `ecs-logging` would log the message, and costs five times as much a line.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

from pydantic_core import to_json

ECS_VERSION = "8.11.0"
SERVICE_NAME = "clinical-ner"
FIELDS = "ecs"  # the attribute of a record that holds fields of the schema
# Loggers that have handlers of their own, from BentoML, or that would log addresses with paths.
OTHERS = ("bentoml", "uvicorn", "uvicorn.error", "uvicorn.access", "circus", "alembic", "sqlalchemy")

logger = logging.getLogger("clinical_ner.serving")


class EcsFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; fields of the schema given as `extra={"ecs": {...}}` are added as they are."""
        line = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS_VERSION,
            "service.name": SERVICE_NAME,
            "log.logger": record.name,
            "process.pid": record.process,
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error.type"] = record.exc_info[0].__name__
            line["error.stack_trace"] = _places(record.exc_info[2])
        return to_json(line).decode()


def _places(trace: TracebackType | None) -> str:
    """The files, lines and functions of a traceback, without messages and values."""
    return "\n".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(trace))


def configure(level: str) -> None:
    """Let every logger of this process write such lines to standard output; call it when the process starts."""
    # No line names its thread, its process or the place in the code that wrote it, so they need not be looked up.
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = None  # as Python's logging HOWTO has it
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(EcsFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in OTHERS:
        other = logging.getLogger(name)
        other.handlers.clear()
        other.setLevel(logging.WARNING)
        other.propagate = True
    logger.setLevel(level.upper())

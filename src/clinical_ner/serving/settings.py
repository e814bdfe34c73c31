"""The service's settings: the environment variables CLINICAL_NER_*, read once, typed, frozen and closed.

A variable that starts with CLINICAL_NER_ and is no setting is refused by name: a misspelt limit would be no limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clinical_ner.core.errors import UserError, closest
from clinical_ner.serving.places import METRICS, MODEL

PREFIX = "CLINICAL_NER_"
# What Kubernetes sets in every container beside a Service called clinical-ner.
KUBERNETES = re.compile(PREFIX + r"(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")


class Settings(BaseModel):
    """What an operator decides; the defaults are safe, and large enough for a hospital's longest notes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: Path = Field(default=MODEL, description="the model, its other files beside it")
    metrics: Path = Field(default=METRICS, description="its scores; may be absent")
    workers: int = Field(default=1, ge=1, description="processes; in a container one, and more containers instead")

    local: bool = Field(default=False, description="no keys, and answers only to clients on this machine")
    keys: Path | None = Field(default=None, description="the file of API keys; needed unless it is for local use")

    max_body_bytes: int = Field(default=2_000_000, ge=1)
    max_note_characters: int = Field(default=100_000, ge=1, description="some forty printed pages")
    max_notes: int = Field(default=100, ge=1, description="in one request")
    max_concurrent: int = Field(default=64, ge=1, description="requests that a worker has in hand; beyond: 429")
    timeout_seconds: float = Field(default=10, gt=0, description="for a whole request; beyond: 408 or 504")

    store: str = Field(default="sqlite:///clinical-ner.sqlite", description="SQLAlchemy's URL of the store")
    store_migrate: bool = Field(default=True, description="bring the store's tables up to date at the start")
    store_queue: int = Field(default=10_000, ge=1, description="predictions that wait to be written; beyond: lost")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_requests: bool = Field(default=True, description="a line for each request but the probes and the metrics")


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that the variables CLINICAL_NER_* of this environment state.

    Raises:
        UserError: one of them is unknown or has no valid value; the message never repeats a value, which may hold a
            password.
    """
    stated = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and not KUBERNETES.fullmatch(name)
    }
    try:
        return Settings.model_validate(stated)
    except ValidationError as error:
        raise UserError("\n".join(_explain(e["type"], str(e["loc"][0]), e["msg"]) for e in error.errors())) from None


def _explain(kind: str, name: str, message: str) -> str:
    variable = f"{PREFIX}{name.upper()}"
    if kind != "extra_forbidden":
        return f"{variable}: {message[0].lower()}{message[1:]}"
    known = [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
    return f"{variable}: unknown setting; {closest(variable, known) or 'known: ' + ', '.join(known)}"

"""The model in the memory of a worker: opened once a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from clinical_ner.core.errors import UserError
from clinical_ner.ner.tagger import Tagger


@lru_cache(maxsize=1)
def tagger(model: str) -> Tagger:
    """The tagger of MODEL.crfsuite; raises as `Tagger.load` does."""
    return Tagger.load(Path(model))


def tagger_of(model: str, version: str) -> Tagger:
    """The tagger, which has to be the one that the run was begun with.

    Raises:
        UserError: another model lies there.
    """
    found = tagger(model)
    if found.manifest.version != version:
        raise UserError(f"{model} is model {found.manifest.version} here, not {version}", "install the same everywhere")
    return found

"""Where the service finds its model and its scores, and the Bento its wheel."""

from __future__ import annotations

from pathlib import Path

from clinical_ner import __version__
from clinical_ner.core.errors import UserError
from clinical_ner.ner.model import MANIFEST, part

MODEL_VARIABLE = "CLINICAL_NER_MODEL"
METRICS = Path("metrics/evaluate.json")  # its scores
MODEL = Path("models/tagger.crfsuite")  # from the top of the repository, and from the Bento's src folder
WHEEL = f"wheels/clinical_ner-{__version__}-py3-none-any.whl"  # in the Bento; serving.build puts it there


def existing(model: Path) -> Path:
    """The same path, if a model is there.

    Raises:
        UserError: there is none. BentoML would pack a Bento without it and call that a success, so the service
            asks as soon as it is imported, which both building and serving do.
    """
    if not part(model, MANIFEST).is_file():
        raise UserError(f"{part(model, MANIFEST)} does not exist", "run 'make repro' or 'dvc pull' first")
    return model

"""Where the service finds its model, and the Bento its wheel."""

from __future__ import annotations

import os
from pathlib import Path

from clinical_ner import __version__
from clinical_ner.core.errors import UserError
from clinical_ner.ner.model import MANIFEST, part

MODEL_VARIABLE = "CLINICAL_NER_MODEL"
MODEL = Path("models/tagger.crfsuite")  # from the top of the repository, and from the Bento's src folder
WHEEL = f"wheels/clinical_ner-{__version__}-py3-none-any.whl"  # in the Bento; serving.build puts it there


def model_path() -> Path:
    """The model that CLINICAL_NER_MODEL names, or the one at its usual place.

    Raises:
        UserError: there is none. BentoML would pack a Bento without it and call that a success, so the service
            asks as soon as it is imported, which both building and serving do.
    """
    model = Path(os.environ.get(MODEL_VARIABLE, MODEL))
    if not part(model, MANIFEST).is_file():
        raise UserError(f"{part(model, MANIFEST)} does not exist", "run 'make repro' or 'dvc pull' first")
    return model

"""Where the service finds its model and its scores, and the Bento its wheel."""

from __future__ import annotations

from pathlib import Path

from clinical_ner import __version__
from clinical_ner.core.errors import UserError

MODEL_VARIABLE = "CLINICAL_NER_MODEL"
METRICS = Path("metrics/evaluate.json")  # its scores
MODEL = Path("models/tagger.crfsuite")  # from the top of the repository, and from the Bento's src folder
VERSION_FILE = "version.json"  # beside a model that 'clinical-ner fetch' has put there
MANIFEST = ".manifest.json"  # ner.model's: importing that would bring numpy to the process that starts workers
WHEEL = f"wheels/clinical_ner-{__version__}-py3-none-any.whl"  # in the Bento; serving.build puts it there


def existing(model: Path) -> Path:
    """The same path, if a model is there.

    Raises:
        UserError: there is none. BentoML would pack a Bento without it and call that a success, so the service
            asks as soon as it is imported, which both building and serving do.
    """
    manifest = model.with_suffix(MANIFEST)
    if not manifest.is_file():
        raise UserError(f"{manifest} does not exist", "run 'make repro' or 'dvc pull' first")
    return model

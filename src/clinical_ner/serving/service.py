"""The HTTP service: the tagger behind `POST /extract`.

A worker holds the tagger and little else: whatever imports pandas or scikit-learn stays out of this process.
"""

from __future__ import annotations

import gc

import bentoml
from bentoml.images import Image
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from clinical_ner.ner.extraction import extract
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving.contract import Extraction, Note
from clinical_ner.serving.places import WHEEL, model_path

MODEL_PATH = model_path()  # no service and no Bento without a model
# BentoML keeps a timer for each request this long, and many live timers make garbage collection slow.
TIMEOUT_SECONDS = 5

# distro="none": the base image is complete, nothing is to be installed by a package manager.
IMAGE = Image(base_image="python:3.11-slim", distro="none").python_packages(f"./{WHEEL}").build_include("wheels")

NOT_JSON = {
    "error": "the body is not declared as JSON",
    "detail": [{"type": "media_type", "loc": [], "msg": "send Content-Type: application/json"}],
}


class JsonOnly:
    """Refuse with 415 a body that is not declared as JSON: no form, multipart or pickle parser ever sees a note."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything but a POST of another type."""
        if scope["type"] == "http" and scope["method"] == "POST":
            kind = Headers(scope=scope).get("content-type", "application/json")
            if kind.partition(";")[0].strip().lower() != "application/json":
                return await JSONResponse(NOT_JSON, status_code=415)(scope, receive, send)
        return await self.app(scope, receive, send)


@bentoml.service(name="clinical_ner", image=IMAGE, workers=1, traffic={"timeout": TIMEOUT_SECONDS})
class Service:
    """Find diseases and treatments in clinical text."""

    def __init__(self) -> None:
        """Load the model named by CLINICAL_NER_MODEL, or the one at its usual place.

        Raises:
            UserError: a file of the model is missing or damaged.
        """
        self.tagger = Tagger.load(MODEL_PATH)
        gc.collect()
        gc.freeze()  # the model is never garbage: later collections need not walk it

    @bentoml.api  # type: ignore[untyped-decorator] # it promises to keep the signature, without types
    def extract(self, note: Note, /) -> Extraction:
        """The diseases and treatments of one note, and which treatment is for which disease."""
        return Extraction(id=note.id, **extract(self.tagger, note.text))


Service.add_asgi_middleware(JsonOnly)  # type: ignore[attr-defined] # the decorator made the class a bentoml.Service

"""The BentoML service: starts a worker with the model, the keys and the store, and hands it every request.

A worker holds the tagger and little else: whatever imports pandas or scikit-learn stays out of this process.
"""

from __future__ import annotations

import gc
import os
import sys

import bentoml
from bentoml.images import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from clinical_ner.core.errors import EXIT_CODE, UserError
from clinical_ner.ner.tagger import Tagger
from clinical_ner.serving import access, logs, settings, store
from clinical_ner.serving.api import Api
from clinical_ner.serving.endpoints import Endpoints
from clinical_ner.serving.logs import logger
from clinical_ner.serving.places import WHEEL, model_path

MODEL_PATH = model_path()  # no service and no Bento without a model
SETTINGS = settings.from_environment(os.environ)
# BentoML keeps a timer for each request this long, and many live timers make garbage collection slow. Our own
# deadline comes first and answers in our own shape.
LAST_RESORT_SECONDS = SETTINGS.timeout_seconds + 5

# distro="none": the base image is complete, nothing is to be installed by a package manager.
IMAGE = Image(base_image="python:3.11-slim", distro="none").python_packages(f"./{WHEEL}").build_include("wheels")


class Front:
    """Every HTTP request goes to the worker's `Api`, and none to BentoML's own routes; what is left is the lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on."""
        app = self._app if scope["type"] == "lifespan" else bentoml.get_current_service().api
        await app(scope, receive, send)


@bentoml.service(
    name="clinical_ner",
    image=IMAGE,
    workers=SETTINGS.workers,
    traffic={"timeout": LAST_RESORT_SECONDS},
    metrics={"enabled": False},  # ours are at /metrics, without a series for each path that a scan asks for
    logging={"access": {"enabled": False}},  # ours are JSON
    tracing={"excluded_urls": ".*"},
)
class Service:
    """Find diseases and treatments in clinical text."""

    def __init__(self) -> None:
        """Load the model and open the store.

        Raises:
            UserError: a file of the model is missing or damaged, or a setting is wrong.
        """
        logs.configure(SETTINGS.log_level)
        gate = access.gate(SETTINGS)
        self._endpoints = Endpoints(SETTINGS, Tagger.load(MODEL_PATH), store.Store.open(SETTINGS.store))
        self.api = Api(SETTINGS, gate, self._endpoints)
        gc.collect()
        gc.freeze()  # the model is never garbage: later collections need not walk it

    @bentoml.on_deployment
    def check() -> None:  # type: ignore[misc] # BentoML makes it static
        """Before any worker starts: refuse what cannot work, once and clearly, and bring the store up to date."""
        try:
            access.gate(SETTINGS)
            store.Store.open(SETTINGS.store).close()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_CODE)
        if SETTINGS.store_migrate:
            try:
                store.migrate(SETTINGS.store)
            except store.StoreDownError as error:
                logger.warning("the store cannot be brought up to date now (%s)", error)

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Store what waits."""
        self._endpoints.stop()


Service.add_asgi_middleware(Front)  # type: ignore[attr-defined] # the decorator made the class a bentoml.Service

"""The BentoML service: starts a worker with the model, the keys and the store, and hands it every request.

A worker holds the tagger and little else: whatever imports pandas or scikit-learn stays out of this process. What only
a worker needs is imported where it starts: the process that starts workers imports this module too, and first.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from contextlib import suppress
from types import ModuleType

import bentoml
from bentoml._internal.server.http import traffic
from bentoml.exceptions import BentoMLConfigException
from bentoml.images import Image
from starlette.types import ASGIApp, Receive, Scope, Send

from clinical_ner.core.errors import UserError
from clinical_ner.serving import logs, settings
from clinical_ner.serving.places import WHEEL, existing

# BentoML's proxy before a server of another make would bring a worker aiohttp and pyparsing: 12 MB and a fifth of a
# second. There is no such server here. BentoML imports its proxy after this module, and finds this in its place.
PROXY = ModuleType("_bentoml_impl.server.proxy")
PROXY.create_proxy_app = None  # type: ignore[attr-defined]
sys.modules.setdefault(PROXY.__name__, PROXY)

# BentoML's deadline keeps a timer for each request until it is over, however soon the request was answered: thousands
# of them under load, and memory and time with them. `Api` has a deadline of its own. BentoML imports its own when it
# makes the application, after this module, and finds this in its place.
traffic.TimeoutMiddleware = lambda app, timeout: app  # type: ignore[assignment,misc,return-value] # noqa: ARG005

# Until `logs.configure` is called BentoML writes lines of its own form: nobody needs those that are no warning.
logging.getLogger("bentoml").setLevel(logging.WARNING)

try:
    SETTINGS = settings.from_environment(os.environ)
    MODEL_PATH = existing(SETTINGS.model)  # no service and no Bento without a model
except UserError as error:
    raise BentoMLConfigException(str(error)) from None  # which BentoML prints without a traceback
WARM_UP = "Asthma was treated with albuterol."  # the first note ever read takes a hundred times as long as the next

# distro="none": the base image is complete, nothing is to be installed by a package manager.
IMAGE = Image(base_image="python:3.11-slim", distro="none").python_packages(f"./{WHEEL}").build_include("wheels")


class Front:
    """Starts and stops the worker's `Service`, and hands every HTTP request to its `Api`: BentoML is left none of it.

    Of each service that BentoML itself starts it makes a client too, at a cost of 7 MB, and here nobody would ask it.
    """

    def __init__(self, app: ASGIApp) -> None:
        del app  # BentoML's own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live from start to stop, or answer a request meanwhile."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._service.api(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._service = Service.inner()  # type: ignore[attr-defined]
        except Exception:
            return await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._service.stop()
        return await send({"type": "lifespan.shutdown.complete"})


@bentoml.service(
    name="clinical_ner",
    image=IMAGE,
    workers=SETTINGS.workers,
    metrics={"enabled": False},  # these have a series for every path that a scan asks for; ours are at /metrics
    logging={"access": {"enabled": False}},  # these hold the path that was asked for; ours hold the route's
    tracing={"excluded_urls": ".*"},
)
class Service:
    """Find diseases and treatments in clinical text."""

    def __init__(self) -> None:
        """Load the model, read the keys and open the store.

        Raises:
            UserError: a file of the model is missing or damaged, or a setting is wrong.
        """
        import ctypes

        from clinical_ner.ner.tagger import Tagger
        from clinical_ner.serving import access
        from clinical_ner.serving.api import Api
        from clinical_ner.serving.endpoints import Endpoints
        from clinical_ner.serving.store import Store

        logs.configure(SETTINGS.log_level)
        gate = access.gate(SETTINGS)
        tagger = Tagger.load(MODEL_PATH)
        tagger.read(WARM_UP)
        self._endpoints = Endpoints(SETTINGS, tagger, Store.open(SETTINGS.store))
        self.api = Api(SETTINGS, gate, self._endpoints)
        gc.collect()
        with suppress(AttributeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)  # 6 MB that loading needed, and serving does not
        gc.freeze()  # the model is never garbage: later collections need not walk it

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    def prepare() -> None:
        """Once, before any worker starts: refuse what cannot work, and bring the store's tables up to date."""
        from clinical_ner.serving.start import prepare

        prepare(SETTINGS)

    def stop(self) -> None:
        """Store what waits."""
        self._endpoints.stop()


Service.add_asgi_middleware(Front)  # type: ignore[attr-defined] # the decorator made the class a bentoml.Service

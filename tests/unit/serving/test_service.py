"""What BentoML puts before the service's own application: each test in a process of its own, as it is changed there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LAYERS = """
import sys
from types import SimpleNamespace
from clinical_ner.serving import service

assert "bentoml._internal.server.base_app" not in sys.modules  # it binds what it imports
from bentoml._internal.server.base_app import BaseAppFactory

application = object()
layers = BaseAppFactory.middlewares.fget(SimpleNamespace(timeout=60, max_concurrency=None))
print(len(layers), [layer.cls(application, **layer.kwargs) is application for layer in layers])
"""
TRACED = """
from bentoml._internal.configuration.containers import BentoMLContainer
from clinical_ner.serving import service
from clinical_ner.serving.routes import ROUTES

service.Service.inject_config()  # as BentoML does before it makes the application
excluded = BentoMLContainer.tracing_excluded_urls.get()
urls = [f"http://127.0.0.1:3000{path}?text=gout" for path in ("/nothing", *(route.path for route in ROUTES))]
print([url for url in urls if not excluded.url_disabled(url)])
"""


def printed(program: str, home: Path) -> str:
    """What the program prints, in a process that can import the service."""
    model = home / "tagger.crfsuite"
    model.with_suffix(".manifest.json").touch()
    settings = {"CLINICAL_NER_MODEL": str(model), "CLINICAL_NER_LOCAL": "true", "BENTOML_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **settings}, capture_output=True, text=True, check=True
    ).stdout


def test_bentoml_keeps_no_timer_for_requests(tmp_path: Path) -> None:
    """One stays for each request until its deadline."""
    assert printed(LAYERS, tmp_path) == "1 [True]\n"


def test_no_address_that_is_asked_for_becomes_a_trace(tmp_path: Path) -> None:
    """A trace holds the whole address, and that may hold somebody's words."""
    assert printed(TRACED, tmp_path) == "[]\n"

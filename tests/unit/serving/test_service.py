"""What BentoML puts before the service's own application."""

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


def test_bentoml_keeps_no_timer_for_requests(tmp_path: Path) -> None:
    """One stays for each request until its deadline: in a process of its own, as BentoML's module is changed."""
    model = tmp_path / "tagger.crfsuite"
    model.with_suffix(".manifest.json").touch()
    settings = {"CLINICAL_NER_MODEL": str(model), "CLINICAL_NER_LOCAL": "true", "BENTOML_HOME": str(tmp_path)}

    found = subprocess.run(
        [sys.executable, "-c", LAYERS], env={**os.environ, **settings}, capture_output=True, text=True, check=True
    )

    assert found.stdout == "1 [True]\n"

"""Scripts that are in no package, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def module(path: Path) -> ModuleType:
    """The script as a module of its name, which is where dataclasses look for it."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification
    assert specification.loader
    found = sys.modules[path.stem] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    return found

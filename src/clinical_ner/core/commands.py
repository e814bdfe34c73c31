"""How a command ends: a user's error is one message and exit code 2, ours is a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from clinical_ner.core.errors import EXIT_CODE, UserError


def run(command: Callable[..., Any]) -> None:
    """Run a typer command or application; exits 2 with a plain message on a `UserError`."""
    try:
        if isinstance(command, typer.Typer):
            command()
        else:
            typer.run(command)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_CODE)

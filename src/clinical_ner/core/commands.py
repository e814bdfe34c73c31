"""How a command ends: a user's error is one message and exit code 2, ours is a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from clinical_ner.core.errors import EXIT_CODE, UserError


def run(command: Callable[..., Any]) -> None:
    """Run a function as a typer command, or a typer application; exits 2 with a plain message on a `UserError`.

    Tracebacks are Python's own: typer's pretty ones can show local variables, and with them a note.
    """
    app = command if isinstance(command, typer.Typer) else typer.Typer(add_completion=False)
    app.pretty_exceptions_enable = False
    if app is not command:
        app.command()(command)
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_CODE)

"""Kills at a moment, for the promise that whoever is killed and runs again loses and doubles nothing."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable


def was_killed_after(milliseconds: int, work: Callable[[], object]) -> bool:
    """Whether the work was still being done when its process was killed, and not done before.

    The process is forked, so that its time goes into the work and not into imports.
    """
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    process.join(milliseconds / 1000)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL

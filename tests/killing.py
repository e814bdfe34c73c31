"""Kills at a moment, for the promise that whoever is killed and runs again loses and doubles nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType


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


def was_killed_at(step: int, folder: Path, work: Callable[[], object]) -> bool:
    """Whether the work's process was killed just after it touched the folder for this time, the first being 1: each
    opening, renaming or removal of a file counts that Python itself asks for."""

    def killing() -> None:
        left = step

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event.startswith(("open", "os.")) and arguments and str(arguments[0]).startswith(str(folder)):
                left -= 1
                if not left:
                    sys.setprofile(kill)  # the event comes before the step, what the program does next comes after

        def kill(frame: FrameType, *_: object) -> None:
            if frame.f_code is not watch.__code__:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        work()

    return was_killed_after(600_000, killing)

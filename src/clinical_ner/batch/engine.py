"""Who works: a pool of processes on this machine, or a Dask cluster that is there. The engine distributes.

Both give futures. What is left to say here is how many are asked for ahead, so that memory does not grow with the
work, and what becomes of a job whose worker is lost.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from time import monotonic
from typing import Any, Protocol, TypeVar

from clinical_ner.core.errors import UserError

AHEAD = 2  # jobs that each worker may be ahead
LOOK_EVERY = 10.0  # seconds, for who is there to work
GIVE_UP_AFTER = 30  # looks that find nobody, one after the other
ANSWER_WITHIN = 10.0  # seconds, that a scheduler has to tell
GONE = "the scheduler is gone"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # a process works alone; threads that wait are slower

JobType = TypeVar("JobType")
Result = TypeVar("Result")


class EngineDownError(Exception):
    """Nobody is there to work, or the engine itself fails: what is done is done, the rest can be done later."""


class Lost:
    """What comes of a job that loses its worker every time."""


class Engine(Protocol):
    """Runs functions elsewhere."""

    @property
    def width(self) -> int:
        """How many jobs it works on at once."""

    def look(self) -> bool:
        """Bring `width` up to date; whether anybody is there to work."""

    @property
    def lost(self) -> tuple[type[Exception], ...]:
        """What a future raises if it is certain that its own job has lost its worker, again and again."""

    def submit(self, work: Any, job: Any) -> Future[Any]:
        """The future of a job."""

    def renew(self) -> None:
        """Be ready again after `BrokenExecutor`."""


# --- processes of this machine ----------------------------------------------------------------------
class Processes:
    """A pool of processes; each ends with this one, however this one ends."""

    lost: tuple[type[Exception], ...] = ()  # of a broken pool nobody knows whose job broke it

    def __init__(self, width: int) -> None:
        self.width = width
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self.width, multiprocessing.get_context("spawn"), initializer=_begin)

    def look(self) -> bool:
        """They are started as they are needed."""
        return True

    def submit(self, work: Any, job: Any) -> Future[Any]:
        """The future of a job."""
        return self._pool.submit(work, job)

    def renew(self) -> None:
        """A new pool."""
        self.close()
        self._pool = self._new()

    def close(self) -> None:
        """End the workers as soon as they have done what they are at."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Leave interrupts to the process that asks, and end when it ends, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


@contextmanager
def processes(width: int) -> Iterator[Processes]:
    """A pool of so many processes."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    pool = Processes(width)
    try:
        yield pool
    finally:
        pool.close()


# --- a cluster --------------------------------------------------------------------------------------
class Cluster:
    """An existing Dask cluster; its scheduler looks after lost workers, and tells whose job has killed several."""

    def __init__(self, client: Any) -> None:
        from distributed import KilledWorker

        self.lost: tuple[type[Exception], ...] = (KilledWorker,)
        self.dashboard = str(client.dashboard_link)
        self.width = 1
        self._client = client
        self._pool: Executor = client.get_executor(pure=False)
        self.look()

    def look(self) -> bool:
        """Workers come and go; one that Dask has paused, as its memory is full, takes no job and is not there."""
        self._see_that_it_is_open()
        try:
            threads = self._client.sync(self._client.scheduler.ncores_running, callback_timeout=ANSWER_WITHIN)
        except OSError:  # a scheduler that does not answer; of one that is gone the futures tell
            return False
        self.width = max(1, sum(threads.values()))
        return bool(threads)

    def submit(self, work: Any, job: Any) -> Future[Any]:
        """The future of a job."""
        self._see_that_it_is_open()
        return self._pool.submit(work, job)

    def _see_that_it_is_open(self) -> None:
        if self._client.status in {"closing", "closed"}:
            raise EngineDownError(GONE)

    def renew(self) -> None:
        """There is nothing that could be broken here."""


@contextmanager
def cluster(address: str, timeout: str = "10s") -> Iterator[Cluster]:
    """The cluster of the scheduler at this address.

    Raises:
        UserError: Dask is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError("--scheduler needs Dask", "install clinical-ner[scale]") from None
    try:
        client: Any = Client(address, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UserError(f"{address}: no scheduler answers ({type(error).__name__})", "see that it runs") from None
    for name in ("distributed.client", "tornado.application"):  # what they log as errors is told by who calls
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with client:
        yield Cluster(client)


# --- both -------------------------------------------------------------------------------------------
def results(engine: Engine, work: Any, jobs: Iterable[JobType]) -> Iterator[tuple[JobType, Any]]:
    """Each job with its result, or with `Lost`, in the order in which they end.

    When a pool breaks, any of the jobs that were under way may have broken it: they are tried again one at a time, and
    the one that breaks the pool again has lost its worker twice.

    Raises:
        EngineDownError: nobody is there to work, the scheduler is gone, or an error that is none of a job.
    """
    waiting = deque(jobs)
    while waiting:
        for suspect in (yield from _until_broken(engine, work, waiting)):
            again = yield from _until_broken(engine, work, deque([suspect]), 1)
            yield from ((job, Lost()) for job in again)


def _until_broken(
    engine: Engine, work: Any, waiting: deque[JobType], most: int | None = None
) -> Generator[tuple[JobType, Any], None, list[JobType]]:
    """Results until all is done or the engine breaks; the jobs that were under way when it broke."""
    running: dict[Future[Any], JobType] = {}
    suspects: list[JobType] = []
    attendance = _Attendance(engine)
    while (waiting and not suspects) or running:
        attendance.check()
        while waiting and len(running) < (most or engine.width * AHEAD) and not suspects:
            try:
                future = engine.submit(work, waiting[0])
            except BrokenExecutor:
                if not running:
                    engine.renew()
                break  # what is running will tell it
            running[future] = waiting.popleft()
        for future in wait(running, LOOK_EVERY, FIRST_COMPLETED).done:
            job = running.pop(future)
            try:
                yield job, future.result()
            except BrokenExecutor:
                suspects.append(job)
            except engine.lost:
                yield job, Lost()
            except CancelledError:
                raise EngineDownError(GONE) from None
            except Exception as error:
                raise EngineDownError(f"the engine failed ({type(error).__name__})") from None
    if suspects:
        engine.renew()
    return suspects


class _Attendance:
    """Looks now and then who is there to work: workers that are lost may be replaced, but not for ever."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._looked, self._missed = monotonic(), 0

    def check(self) -> None:
        """See whether it is time to look, and look.

        Raises:
            EngineDownError: there has been nobody for too long.
        """
        if monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = monotonic()
        self._missed = 0 if self._engine.look() else self._missed + 1
        if self._missed >= GIVE_UP_AFTER:
            seconds = self._missed * LOOK_EVERY
            raise EngineDownError(f"the cluster has had no worker that takes jobs for {seconds:.0f} seconds")

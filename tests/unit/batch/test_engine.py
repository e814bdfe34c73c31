"""Jobs whose workers are lost are tried again, found out and named; nothing else is lost with them."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from programs import wait_until
from tests.unit.batch.running import DEADLINE, dask_cluster

from clinical_ner.batch import engine
from clinical_ner.batch.engine import EngineDownError, Lost, cluster, processes, results


def doubled(number: int) -> int:
    return 2 * number


def killed_at_three(number: int) -> int:
    """A job that kills its worker, every time."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def killed_once(job: tuple[int, str]) -> int:
    """A job that kills its worker the first time."""
    number, mark = job
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def raises(number: int) -> int:
    raise ValueError(number)


def test_every_job_is_done_once() -> None:
    with processes(2) as pool:
        found = dict(results(pool, doubled, range(20)))

    assert found == {number: 2 * number for number in range(20)}


def test_a_job_that_kills_its_worker_twice_is_named_and_no_other_is_lost() -> None:
    with processes(2) as pool:
        found = dict(results(pool, killed_at_three, range(8)))

    assert isinstance(found.pop(3), Lost)
    assert found == {number: 2 * number for number in range(8) if number != 3}


def test_a_job_whose_worker_is_lost_once_is_done(tmp_path: Path) -> None:
    jobs = [(number, str(tmp_path / "mark")) for number in range(8)]

    with processes(2) as pool:
        found = dict(results(pool, killed_once, jobs))

    assert found == {job: 2 * job[0] for job in jobs}


def test_what_an_engine_raises_is_told_without_its_words() -> None:
    with processes(1) as pool, pytest.raises(EngineDownError, match=r"^the engine failed \(ValueError\)$"):
        dict(results(pool, raises, [7]))


def test_a_job_that_kills_the_worker_of_a_cluster_is_named_and_the_next_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")  # or four workers in turn have to die

    with dask_cluster(1, tmp_path) as dask, cluster(dask.address, timeout=f"{DEADLINE}s") as there:
        dict(results(there, time.sleep, [0.5]))  # a worker that dies while it starts does not come back
        ((job, result),) = results(there, os._exit, [1])
        after = dict(results(there, abs, range(3)))

    assert (job, type(result)) == (1, Lost)
    assert after == {0: 0, 1: 1, 2: 2}


# --- who is there ----------------------------------------------------------------------------------
class Crew:
    """An engine whose workers come and go: a number for each look at them, the last one for ever."""

    lost: tuple[type[Exception], ...] = ()

    def __init__(self, *numbers: int, done_at_once: bool = False) -> None:
        self.numbers, self.done_at_once = list(numbers), done_at_once
        self.width, self.looks = max(1, numbers[0]), 0
        self.running: list[Future[Any]] = []
        self.most = 0

    def look(self) -> bool:
        """After the last number, if it is not 0, what runs is done."""
        assert self.looks < 1000, "it is looked for ever"
        number = self.numbers[min(self.looks, len(self.numbers) - 1)]
        self.width, self.looks = max(1, number), self.looks + 1
        if number and self.looks > len(self.numbers):
            self._finish()
        return number > 0

    def submit(self, work: Any, job: Any) -> Future[Any]:
        del work, job
        future: Future[Any] = Future()
        self.running.append(future)
        self.most = max(self.most, len(self.running))
        if self.done_at_once:
            self._finish()
        return future

    def _finish(self) -> None:
        while self.running:
            self.running.pop().set_result("done")

    def renew(self) -> None:
        """Never asked for."""


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(engine, "GIVE_UP_AFTER", 3)


@pytest.mark.usefixtures("_impatient")
def test_a_cluster_without_workers_is_waited_for_and_not_for_ever() -> None:
    crew = Crew(1, 0)

    with pytest.raises(EngineDownError, match=r"^the cluster has had no worker that takes jobs for \d+ seconds$"):
        dict(results(crew, doubled, range(4)))

    assert crew.looks == 1 + 3


@pytest.mark.usefixtures("_impatient")
def test_workers_that_come_back_in_time_are_as_good_as_new() -> None:
    assert len(dict(results(Crew(1, 0, 0, 1, 0, 0, 1), doubled, range(4)))) == 4


@pytest.mark.usefixtures("_impatient")
def test_workers_that_join_are_given_jobs() -> None:
    crew = Crew(1, 1, 3)

    assert len(dict(results(crew, doubled, range(40)))) == 40
    assert crew.most == 3 * engine.AHEAD


def test_nobody_looks_at_every_job() -> None:
    crew = Crew(1, done_at_once=True)

    assert len(dict(results(crew, doubled, range(40)))) == 40
    assert crew.looks == 0


def test_the_width_of_a_cluster_is_the_workers_that_have_joined(tmp_path: Path) -> None:
    with dask_cluster(2, tmp_path) as dask, cluster(dask.address, timeout=f"{DEADLINE}s") as there:
        wait_until(lambda: there.look() and there.width == 2, DEADLINE, "both workers are there")


def test_a_cluster_that_loses_its_last_worker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dask_cluster(1, tmp_path) as dask, cluster(dask.address, timeout=f"{DEADLINE}s") as there:
        wait_until(there.look, DEADLINE, "the worker is there")
        under_way = results(there, time.sleep, [0.5] * 99)
        next(under_way)
        monkeypatch.setattr(engine, "LOOK_EVERY", 0.1)
        dask.nannies[0].terminate()

        with pytest.raises(EngineDownError, match="no worker"):
            dict(under_way)


def test_a_worker_that_dask_has_paused_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE", "0.001")  # of the memory, which it soon has

    with dask_cluster(1, tmp_path) as dask, cluster(dask.address, timeout=f"{DEADLINE}s") as there:
        wait_until(lambda: "Pausing worker" in (tmp_path / "dask.log").read_text(), DEADLINE, "it pauses")
        wait_until(lambda: not there.look(), DEADLINE, "the scheduler knows")


@pytest.mark.usefixtures("_impatient")
def test_a_scheduler_that_does_not_answer_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ANSWER_WITHIN", 0.5)

    with dask_cluster(1, tmp_path) as dask, cluster(dask.address, timeout=f"{DEADLINE}s") as there:
        wait_until(there.look, DEADLINE, "the worker is there")
        dask.scheduler.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(EngineDownError, match="no worker"):
                dict(results(there, abs, range(3)))
        finally:
            dask.scheduler.send_signal(signal.SIGCONT)


def test_once_the_client_has_closed_the_scheduler_is_gone(tmp_path: Path) -> None:
    with dask_cluster(1, tmp_path) as dask, cluster(dask.address, timeout=f"{DEADLINE}s") as there:
        pass

    for asked in (there.look, lambda: there.submit(abs, 1)):
        with pytest.raises(EngineDownError, match=r"^the scheduler is gone$"):
            asked()

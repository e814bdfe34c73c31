"""Jobs whose workers are lost are tried again, found out and named; nothing else is lost with them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from tests.unit.batch.running import DEADLINE, dask_cluster

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

    with dask_cluster(1, tmp_path) as dask, cluster(dask.address, patience=f"{DEADLINE}s") as there:
        dict(results(there, time.sleep, [0.5]))  # a worker that dies while it starts does not come back
        ((job, result),) = results(there, os._exit, [1])
        after = dict(results(there, abs, range(3)))

    assert (job, type(result)) == (1, Lost)
    assert after == {0: 0, 1: 1, 2: 2}

"""Workers come and go: none takes with it what others were asked, nor what it was asked itself if it may finish."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from tests.service.stored import eventually

from clinical_ner.serving import local
from clinical_ner.serving.local import Server

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"
LONG = "Asthma was treated with albuterol. " * 2000


def workers(server: Server) -> list[psutil.Process]:
    return [
        child for child in psutil.Process(server.pid).children() if "_bentoml_impl.worker" in " ".join(child.cmdline())
    ]


class Load:
    """Clients that ask one question after the other until told to stop; each failure with the time it happened."""

    def __init__(self, server: Server, clients: int) -> None:
        self.answered = 0
        self.failures: list[tuple[float, str]] = []
        self._server = server
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._stopping.is_set():
                try:
                    status = client.post(f"{self._server.url}/extract", json={"text": "She has gout."}).status_code
                    if status == 200:
                        self.answered += 1
                    else:
                        self.failures.append((time.monotonic(), str(status)))
                except httpx.TransportError as error:
                    self.failures.append((time.monotonic(), type(error).__name__))


@pytest.fixture
def settings(model_path: Path) -> dict[str, str]:
    return {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_WORKERS": "2"}


def test_of_two_workers_one_that_is_killed_fails_no_request_after_the_first_second(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with local.running(SERVICE, ROOT, tmp_path, **settings) as server:
        while len(workers(server)) < 2:
            time.sleep(0.1)
        time.sleep(3)  # until both accept
        with Load(server, 4) as load:
            time.sleep(1)
            killed_at = time.monotonic()
            workers(server)[0].kill()
            time.sleep(8)
            before = load.answered
            time.sleep(1)

        assert [failure for at, failure in load.failures if not 0 <= at - killed_at <= 1] == []
        assert load.answered > before > 100


def test_every_request_that_was_accepted_is_answered_though_the_server_is_told_to_end(
    settings: dict[str, str], tmp_path: Path
) -> None:
    statuses: list[int] = []
    patient = settings | {"CLINICAL_NER_TIMEOUT_SECONDS": "60"}  # and not 10, should the machine be busy
    with local.running(SERVICE, ROOT, tmp_path, **patient) as server:

        def ask() -> None:
            body = {"notes": [{"text": LONG}] * 3}
            statuses.append(httpx.post(f"{server.url}/extract", json=body, timeout=120).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert eventually(lambda: sum(in_hand(server)) > 4)  # the four, and the question itself
        os.kill(server.pid, signal.SIGTERM)
        for thread in threads:
            thread.join()

    assert statuses == [200] * 4
    assert "Traceback" not in server.log.read_text()


def test_what_was_answered_arrives_whole_though_clients_go_on_asking_while_the_server_ends(
    settings: dict[str, str], tmp_path: Path
) -> None:
    received: set[str] = set()
    with local.running(SERVICE, ROOT, tmp_path, **settings) as server, ThreadPoolExecutor(8) as clients:
        asking = [clients.submit(ask_until_it_closes, server, received) for _ in range(8)]
        assert eventually(lambda: len(received) > 200)
        os.kill(server.pid, signal.SIGTERM)
        for one in asking:
            one.result(60)

    assert answered_by_its_log(server) == received
    assert "Traceback" not in server.log.read_text()


def ask_until_it_closes(server: Server, received: set[str]) -> None:
    """Ask over one connection as long as it is there, and note the ids of what was answered.

    A connection that is refused or closed ends it if it does so before an answer; an answer that breaks off is raised.
    """
    address = httpx.URL(server.url)
    connection = HTTPConnection(address.host, address.port, timeout=30)
    while True:
        request_id = uuid4().hex
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
        try:
            connection.request("POST", "/extract", json.dumps({"text": LONG[:1900]}), headers)
            answer = connection.getresponse()
        except ConnectionError:
            return
        assert json.loads(answer.read())["request_id"] == request_id
        received.add(request_id)


def answered_by_its_log(server: Server) -> set[str]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return {line["http.request.id"] for line in lines if line.get("http.response.status_code") == 200}


def in_hand(server: Server) -> list[float]:
    scraped = httpx.get(f"{server.url}/metrics", timeout=30).text
    return [
        float(line.split()[-1]) for line in scraped.splitlines() if line.startswith("clinical_ner_requests_in_hand ")
    ]


def test_what_waited_for_the_store_is_stored_when_the_server_ends(settings: dict[str, str], tmp_path: Path) -> None:
    import sqlite3

    with local.running(SERVICE, ROOT, tmp_path, **settings) as server:
        for _ in range(50):
            server.ask("She has gout.")

    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT request_id) FROM predictions").fetchone() == (50, 50)

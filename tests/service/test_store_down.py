"""While the store is down extraction goes on and the gap is counted; feedback is refused, never lost silently."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from tests.service.stored import count, eventually

from clinical_ner.serving import local
from clinical_ner.serving.local import Server
from clinical_ner.serving.store import FEEDBACK, PREDICTIONS

ROOT = Path(__file__).parents[2]
SERVICE = "clinical_ner.serving.service:Service"


def figure(server: Server, name: str) -> float:
    scraped = httpx.get(f"{server.url}/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", scraped, re.MULTILINE))


def send_feedback(server: Server, feedback_id: str) -> httpx.Response:
    body = {"prediction_id": str(uuid4()), "feedback_id": feedback_id, "rating": 2}
    return httpx.post(f"{server.url}/feedback", json=body, timeout=30)


def test_predictions_wait_for_a_postgresql_that_comes_back(model_path: Path, postgresql: Any, tmp_path: Path) -> None:
    url = postgresql.database("comes_back")
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_STORE": url}
    feedback_id = str(uuid4())
    with local.running(SERVICE, ROOT, tmp_path, **settings) as server:
        server.ask("She has gout.")
        assert eventually(lambda: count(url, PREDICTIONS) == 1)
        postgresql.stop()
        try:
            found = [server.ask("She has asthma.")["entities"] for _ in range(20)]
            refused = send_feedback(server, feedback_id)
            assert eventually(lambda: figure(server, "clinical_ner_store_failures_total") >= 2)
        finally:
            postgresql.start()
        assert eventually(lambda: count(url, PREDICTIONS) == 21)
        again = send_feedback(server, feedback_id)

        assert all(found)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert (again.status_code, count(url, FEEDBACK)) == (201, 1)
        assert figure(server, "clinical_ner_predictions_lost_total") == 0
        assert figure(server, "clinical_ner_predictions_waiting") == 0
    assert "the store is up again" in server.log.read_text()


def test_a_gap_is_counted_and_the_service_starts_without_its_store(model_path: Path, tmp_path: Path) -> None:
    nowhere = f"postgresql+psycopg://nobody:secret@127.0.0.1:{local.free_port()}/none"
    settings = {"CLINICAL_NER_MODEL": str(model_path), "CLINICAL_NER_STORE": nowhere, "CLINICAL_NER_STORE_QUEUE": "5"}
    with local.running(SERVICE, ROOT, tmp_path, **settings) as server:
        found = [server.ask("She has asthma.")["entities"] for _ in range(12)]
        refused = send_feedback(server, str(uuid4()))

        assert all(found)
        assert refused.status_code == 503
        assert figure(server, "clinical_ner_predictions_lost_total") == 7
        assert httpx.get(f"{server.url}/readyz").status_code == 200
    log = server.log.read_text()
    assert "5 predictions are lost" in log  # as it stopped: those that still waited
    assert "the store is down" in log
    assert "secret" not in log

"""Figures are of the workers that live."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clinical_ner.serving import metrics

WORKER = """
from clinical_ner.serving import metrics
metrics.IN_HAND.set(4)
metrics.NOTES.inc(3)
"""


def test_of_a_worker_that_was_killed_the_counts_stay_and_what_it_had_in_hand_goes(tmp_path: Path) -> None:
    environment = os.environ | {metrics.FOLDER: str(tmp_path)}
    subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True)  # and is dead now
    asking = "from clinical_ner.serving import metrics; print(metrics.exposition().decode())"

    scraped = subprocess.run(
        [sys.executable, "-c", asking], env=environment, check=True, capture_output=True, text=True
    ).stdout.splitlines()

    assert "clinical_ner_notes_total 3.0" in scraped
    assert "clinical_ner_requests_in_hand 0.0" in scraped

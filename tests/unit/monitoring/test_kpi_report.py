from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser

from clinical_ner.monitoring import kpi_report
from clinical_ner.monitoring.kpi import ASSUMED, MEASURED, Figure, Indicator, missing

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
FOUND = [
    Indicator("Time", [Figure("median", 1.234, "ms", MEASURED, "the store", 1200, 1.1, 1.4)]),
    Indicator("Cost <of> it", [missing("1,000 notes", "EUR", "the store")]),
]


def test_the_table_has_value_interval_basis_and_count() -> None:
    lines = kpi_report.table(FOUND).splitlines()

    assert lines[0] == "1. Time"
    assert lines[1].split() == ["median", "1.23", "ms", "(1.10", "to", "1.40)", "measured,", "n", "=", "1200"]
    assert lines[3].endswith("-  not measured")


def test_json_keeps_every_figure_and_the_window() -> None:
    told = json.loads(json.dumps(kpi_report.as_json(FOUND, UNTIL, UNTIL)))

    assert told["until"] == "2026-03-01T00:00:00+00:00"
    assert told["indicators"][0]["figures"][0]["n"] == 1200
    assert told["indicators"][1]["figures"][0]["value"] is None


def test_prometheus_is_told_what_was_measured_or_assumed_and_nothing_else() -> None:
    odd = Indicator("Cost", [Figure('the "machine"\n', 2.5, "EUR", ASSUMED, "params.yaml")])

    lines = kpi_report.exposition([*FOUND, odd], UNTIL).splitlines()

    assert [line for line in lines if not line.startswith("#")] == [
        'clinical_ner_kpi{basis="measured",figure="median",indicator="Time",unit="ms"} 1.234',
        r'clinical_ner_kpi{basis="assumption",figure="the \"machine\"\n",indicator="Cost",unit="EUR"} 2.5',
        "clinical_ner_kpi_timestamp_seconds 1.7723232e+09",
    ]


def test_the_page_is_one_file_that_asks_for_nothing_and_escapes_what_it_says() -> None:
    page = kpi_report.page(FOUND, UNTIL, UNTIL)
    asked: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            asked.extend(name for name, _ in attrs if name in {"src", "href"})
            asked.extend([tag] if tag == "script" else [])

    Links().feed(page)
    assert asked == []
    assert "Cost &lt;of&gt; it" in page
    assert "n = 1,200" in page

"""The command that works out the indicators of the business, from the store, the registry, a benchmark, Prometheus."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clinical_ner.commands.durations import duration
from clinical_ner.commands.store import BEGINNING, STORE, StoreUrl, opened
from clinical_ner.core.errors import UserError
from clinical_ner.serving.clock import now

if TYPE_CHECKING:
    from clinical_ner.monitoring.kpi import Evidence, Release, Traffic
    from clinical_ner.promotion.registry import Event

# Requests for work: probes and scrapes are none.
WORK = '{route=~"/extract(/fhir)?|/feedback"}'
REFUSED = '{route=~"/extract(/fhir)?|/feedback",status=~"4..|5.."}'
FAILED = '{route=~"/extract(/fhir)?|/feedback",status=~"5.."}'
ANSWER_SECONDS = 10


def kpi(
    store_url: StoreUrl = STORE,
    last: Annotated[str, typer.Option(help="The window, until now: 24h or 30d.")] = "30d",
    prometheus: Annotated[str | None, typer.Option(help="Its URL: requests are counted there alone.")] = None,
    benchmark: Annotated[Path, typer.Option(help="What 'make bench-service' wrote.")] = Path("docs/service_speed.json"),
    remote: Annotated[str, typer.Option(help="Of git, of which the registry's tags come.")] = "origin",
    out: Annotated[Path | None, typer.Option(help="Write kpi.json and kpi.html into this folder.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Figures for Prometheus, such as DIR/kpi.prom.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    params_file: Annotated[Path, typer.Option("--params")] = Path("params.yaml"),
) -> None:
    """Print the eight indicators of the business; what was not measured is called so."""
    from clinical_ner.core import files, params
    from clinical_ner.monitoring import kpi_report
    from clinical_ner.monitoring.kpi import indicators

    section = params.load(params_file).kpi
    until = now()
    since = until - duration("--last", last)
    found = indicators(_evidence(store_url, since, until, prometheus, benchmark, remote), section)
    told = kpi_report.as_json(found, since, until)
    if out:
        files.write_json(out / "kpi.json", told)
        files.write_text(out / "kpi.html", kpi_report.page(found, since, until))
    if metrics:
        files.write_whole(metrics, kpi_report.exposition(found, until), files.READABLE)
    typer.echo(json.dumps(told, indent=2) if as_json else kpi_report.table(found))


def _evidence(
    url: str, since: datetime, until: datetime, prometheus: str | None, benchmark: Path, remote: str
) -> Evidence:
    from clinical_ner.core import files
    from clinical_ner.monitoring.kpi import Evidence
    from clinical_ner.promotion import registry

    predictions, feedback, runs = _stored(url, since, until)
    return Evidence(
        since,
        until,
        predictions,
        feedback,
        runs,
        releases(registry.Registry.open(Path(), remote).events()),
        files.read_json(benchmark) if benchmark.is_file() else None,
        _traffic(prometheus, until - since) if prometheus else None,
    )


def _stored(url: str, since: datetime, until: datetime) -> tuple[list[dict[str, Any]], ...]:
    """Predictions and feedback of the window, and all runs of monitoring until its end."""
    with opened(url) as store:
        return store.predictions(since, until), store.feedback(since, until), store.runs(BEGINNING, until)


def releases(events: list[Event]) -> list[Release]:
    """The versions that went into production, at their first time; a rollback is no release."""
    from clinical_ner.monitoring.kpi import Release
    from clinical_ner.promotion.comparison import WHOLE
    from clinical_ner.promotion.registry import PROD

    found: dict[str, Release] = {}
    for event in events:
        if event.stage == PROD and event.version not in found:
            sets = event.decision["sets"] if event.decision else {}
            whole = {name: each["slices"][WHOLE]["difference"] for name, each in sets.items()}
            gains = {name: difference["value"] for name, difference in whole.items() if difference}
            learnt = event.decision.get("new_terms") if event.decision else None
            found[event.version] = Release(event.version, event.at, gains, learnt)
    return list(found.values())


def _traffic(url: str, window: timedelta) -> Traffic | None:
    """The requests for work in the window; none if Prometheus has not seen any.

    Raises:
        UserError: Prometheus does not answer, or does not understand.
    """
    from clinical_ner.monitoring.kpi import Traffic

    counts = [_increase(url, selector, window) for selector in (WORK, REFUSED, FAILED)]
    if counts[0] is None:
        return None
    work, refused, failed = (count or 0.0 for count in counts)
    return Traffic(work, work - refused, failed)


def _increase(url: str, selector: str, window: timedelta) -> float | None:
    """By how much the requests of this kind grew; none if there is no such series."""
    import httpx

    query = f"sum(increase(clinical_ner_requests_total{selector}[{int(window.total_seconds())}s]))"
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/query", params={"query": query}, timeout=ANSWER_SECONDS)
        found = answer.raise_for_status().json()["data"]["result"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
        raise UserError(
            f"--prometheus: no answer that counts ({type(error).__name__})", "name it as http://HOST:9090"
        ) from None
    return float(found[0]["value"][1]) if found else None

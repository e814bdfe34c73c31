"""The indicators as a table of plain text, as JSON and as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily

from clinical_ner.core import prometheus
from clinical_ner.monitoring.kpi import Figure, Indicator

STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#1c2733;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}p{color:#52606d;margin:.2rem 0}
table{border-collapse:collapse;width:100%;table-layout:fixed}td:nth-child(1){width:34%}td:nth-child(2){width:24%}
td:nth-child(3){width:14%}td,th{padding:.35rem .6rem;border-bottom:1px solid #e4e7eb;text-align:left}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr:first-child td{font-weight:600}.basis{border-radius:1rem;padding:.1rem .6rem;font-size:.8rem;white-space:nowrap}
.measured{background:#d9f2e3;color:#0b5c2e}.assumption{background:#fdf0cd;color:#6b4e00}
.not-measured{background:#eceff2;color:#52606d}small{color:#52606d}
"""


def as_json(found: Sequence[Indicator], since: datetime, until: datetime) -> dict[str, Any]:
    """The indicators and the window that they are of."""
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "indicators": [
            {"title": indicator.title, "figures": [figure._asdict() for figure in indicator.figures]}
            for indicator in found
        ],
    }


def exposition(found: Sequence[Indicator], until: datetime) -> str:
    """The figures as Prometheus's text format, for the textfile collector; one that nobody measured has no series."""
    return prometheus.exposition(
        prometheus.gauge(
            "clinical_ner_kpi",
            "Figures of the indicators of the business; docs/kpi.md says what each means.",
            [
                (_labels(indicator, figure), figure.value)
                for indicator in found
                for figure in indicator.figures
                if figure.value is not None
            ],
        ),
        GaugeMetricFamily(
            "clinical_ner_kpi_timestamp_seconds", "The end of the window that they are of.", value=until.timestamp()
        ),
    )


def _labels(indicator: Indicator, figure: Figure) -> dict[str, str]:
    return {"indicator": indicator.title, "figure": figure.name, "unit": figure.unit, "basis": figure.basis}


def table(found: Iterable[Indicator]) -> str:
    """A block an indicator: figure, value with its interval, basis, how many."""
    lines = []
    for number, indicator in enumerate(found, 1):
        lines.append(f"{number}. {indicator.title}")
        lines += [f"   {figure.name:<46} {_value(figure):>28}  {_basis(figure)}" for figure in indicator.figures]
    return "\n".join(lines)


def _basis(figure: Figure) -> str:
    return figure.basis if figure.n is None else f"{figure.basis}, n = {figure.n}"


def _value(figure: Figure) -> str:
    """The value with its unit, and its interval if it has one."""
    if figure.value is None:
        return "-"
    shown = f"{_number(figure.value)} {figure.unit}".strip()
    return (
        shown
        if figure.low is None or figure.high is None
        else f"{shown} ({_number(figure.low)} to {_number(figure.high)})"
    )


def _number(value: float) -> str:
    """Three significant digits at least, and thousands apart.

    >>> [_number(value) for value in (0.91234, 4.2, 360000.0, 12.345)]
    ['0.912', '4.20', '360,000', '12.3']
    """
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def page(found: Sequence[Indicator], since: datetime, until: datetime) -> str:
    """One HTML file, without scripts."""
    blocks = "".join(_block(number, indicator) for number, indicator in enumerate(found, 1))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Indicators</title>'
        f"<style>{STYLE}</style></head><body><h1>Indicators</h1>"
        f"<p>{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC. An assumption follows from the section kpi of"
        " params.yaml; what was not measured is not guessed.</p>"
        f"{blocks}</body></html>\n"
    )


def _block(number: int, indicator: Indicator) -> str:
    rows = "".join(_row(figure) for figure in indicator.figures)
    return f"<h2>{number}. {escape(indicator.title)}</h2><table><tbody>{rows}</tbody></table>"


def _row(figure: Figure) -> str:
    kind = figure.basis.replace(" ", "-")
    count = "" if figure.n is None else f", n = {figure.n:,}"
    value = "&ndash;" if figure.value is None else escape(_value(figure))
    return (
        f'<tr><td>{escape(figure.name)}</td><td class="number">{value}</td>'
        f'<td><span class="basis {kind}">{figure.basis}</span></td>'
        f"<td><small>{escape(figure.source)}{count}</small></td></tr>"
    )

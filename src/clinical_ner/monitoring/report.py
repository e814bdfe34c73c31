"""An assessment told: as a page for a browser, as Markdown for an issue, as gauges for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

from clinical_ner.core.prometheus import exposition
from clinical_ner.monitoring.gauges import run_gauges, run_row

SHOWN = 20  # figures in the page's table
TITLES = {"none": "No drift", "watch": "Within the threshold: watch", "alert": "Drift: alert"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem } .tell { color: #57606a }
.verdict { border-left: .5rem solid; padding: .5rem 1rem; background: #f6f8fa; font-weight: 600 }
.none { border-color: #1a7f37 } .watch { border-color: #9a6700 } .alert { border-color: #b42318 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #d0d7de }
th:first-child, td:first-child { text-align: left }
.bar { width: 12rem; background: #eaeef2; height: .8rem } .bar div { height: 100%; background: #57606a }
.bar .beyond { background: #b42318 } .bar .near { background: #bf8700 }
"""


def page(assessment: dict[str, Any]) -> str:
    """The assessment as one HTML file that needs no other; what the notes show and what people said stand apart."""
    window, verdict = assessment["window"], assessment["verdict"]
    model = window["model_version"] or "not known"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in assessment["reasons"]) or "<li>nothing moved</li>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Monitoring</title>'
        f"<style>{STYLE}</style></head><body>\n"
        f"<h1>Monitoring: {_minute(window['since'])} to {_minute(window['until'])}</h1>\n"
        f'<p class="verdict {verdict}">{TITLES[verdict]}. By the policy: {", ".join(assessment["actions"])}.</p>\n'
        f'<p class="tell">{window["notes"]} notes, {window["left_out"]} more without all figures or of another model; '
        f"model {escape(model)}.</p>\n<ul>{reasons}</ul>\n"
        f"{_without_labels(assessment['label_free'])}{_labelled(assessment['labelled'])}</body></html>\n"
    )


def _minute(written: str) -> str:
    """A time for people; in UTC, as all times of the store."""
    return f"{datetime.fromisoformat(written).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _without_labels(free: dict[str, Any]) -> str:
    rows = [_row(name, of, free["watch_from"]) for name, of in list(free["figures"].items())[:SHOWN]]
    return (
        f"<h2>Without labels: the notes' own figures ({TITLES[free['verdict']]})</h2>\n"
        f"<p>Second witness: a classifier tells the window from the reference with a partial AUC of "
        f"{free['partial_auc']:.3f}; watched from {free['partial_auc_watch']:.3f}, "
        f"an alert from {free['partial_auc_alert']:.3f}. "
        f"Thresholds of windows of {free['thresholds_of']} notes or more. First witness, the {len(rows)} figures that "
        "moved furthest:</p>\n<table><tr><th>figure</th><th>reference</th><th>window</th><th>distance</th>"
        f"<th>limit</th><th>distance / limit</th><th></th></tr>\n{''.join(rows)}</table>\n"
    )


def _row(name: str, of: dict[str, float], watch: float) -> str:
    share = of["share_of_limit"]
    kind = "beyond" if share >= 1 else "near" if share >= watch else "usual"
    cells = [f"{of[column]:.4g}" for column in ("reference", "window", "distance", "limit")]
    numbers = "".join(f"<td>{cell}</td>" for cell in [*cells, f"{share:.2f}"])
    bar = f'<td><div class="bar"><div class="{kind}" style="width:{min(100, round(100 * share))}%"></div></div></td>'
    return f"<tr><td>{escape(name.replace('_', ' '))}</td>{numbers}{bar}</tr>\n"


def _labelled(labelled: dict[str, Any]) -> str:
    told = (
        f"too few corrections: {labelled['judged']} notes have judged entities, {labelled['needed']} are needed"
        if labelled["f1"] is None
        else f"strict F1 of the predictions against corrections of {labelled['judged']} notes: {_agreed(labelled)}; "
        f"watched if all of that is below {labelled['watch_below']:.2f}, "
        f"an alert if it is below {labelled['alert_below']:.2f}"
    )
    return (
        f"<h2>With labels: people's corrections ({TITLES[labelled['verdict']]})</h2>\n<p>{told}. "
        f"Entities confirmed {labelled['confirmed']}, taken back {labelled['invented']}, "
        f"missed {labelled['missed']}.</p>\n"
    )


def _agreed(labelled: dict[str, Any]) -> str:
    return f"{labelled['f1']:.3f} ({labelled['f1_low']:.3f} to {labelled['f1_high']:.3f})"


def summary(assessment: dict[str, Any]) -> str:
    """The assessment as Markdown, for the body of an issue."""
    window, free, labelled = (assessment[name] for name in ("window", "label_free", "labelled"))
    rows = [
        f"| {name} | {of['reference']:.4g} | {of['window']:.4g} | {of['share_of_limit']:.2f} |"
        for name, of in list(free["figures"].items())[:10]
    ]
    agreed = "too few corrections" if labelled["f1"] is None else _agreed(labelled)
    return "\n".join(
        [
            f"## {TITLES[assessment['verdict']]}",
            "",
            f"{window['notes']} notes from {_minute(window['since'])} to {_minute(window['until'])}. "
            f"By the policy: {', '.join(assessment['actions'])}.",
            "",
            *(f"- {reason}" for reason in assessment["reasons"] or ["nothing moved"]),
            "",
            "### Without labels",
            "",
            f"Partial AUC of telling the two apart: {free['partial_auc']:.3f}, "
            f"an alert from {free['partial_auc_alert']:.3f}.",
            "",
            "| figure | reference | window | distance / limit |",
            "|---|--:|--:|--:|",
            *rows,
            "",
            "### With labels",
            "",
            f"Strict F1 against corrections: {agreed} ({labelled['judged']} notes judged).",
            "",
        ]
    )


def text_file(assessment: dict[str, Any], at: datetime) -> str:
    """The gauges of a run, which the service shows too, as the node exporter's text file collector reads them."""
    return exposition(*run_gauges(run_row(assessment, at) | {"actions": assessment["actions"]}))

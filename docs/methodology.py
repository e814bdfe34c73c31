"""Write the methodology report: every figure is computed, the words are those of `methodology_template.md`.

python docs/methodology.py            write methodology.md, methodology.html and figures/
python docs/methodology.py --check    exit with 2 if methodology.md is behind the figures
python docs/methodology.py --measure  first measure how fast each generator is, on this machine
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import vl_convert
from markdown_it import MarkdownIt
from typer import Option

from clinical_ner.core import files, params, schema
from clinical_ner.core.commands import run
from clinical_ner.core.errors import UserError
from clinical_ner.core.schema import Table
from clinical_ner.population import catalogue
from clinical_ner.quality.assessment import headline
from clinical_ner.quality.generators import gaussian_copula, independent_columns
from clinical_ner.quality.judging import CEILING, COPULA, GENERATORS, INDEPENDENT, OURS
from clinical_ner.quality.learning import LEARNERS, TARGETS
from clinical_ner.quality.living import adults, sample_living
from clinical_ner.quality.real import real_adults

DOCS = Path(__file__).parent
ROOT = DOCS.parent
REPORT = ROOT / "reports/quality.json"
SPEED = DOCS / "generator_speed.json"
NAMES = {
    CEILING: "the other half of the real people",
    COPULA: "Gaussian copula, fitted",
    INDEPENDENT: "independent columns, fitted",
    OURS: "ours, calibrated to summaries",
}
LEADS = ("worst_pair", "discriminator_auc")
TIMED_ROWS = 20_000
FURTHEST = 2  # times the published figure, of what the plot shows
MET = {"field": "met", "scale": {"domain": ["yes", "no"], "range": ["#2a7f62", "#c1292e"]}}
STYLE = """body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}
table{border-collapse:collapse;font-size:.85rem;margin:1rem 0;display:block;overflow-x:auto}
td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;vertical-align:top}th{background:#f2f2f2}
img{max-width:100%}code{background:#f2f2f2;padding:0 .2rem}summary{cursor:pointer}"""


def main(
    check: Annotated[bool, Option("--check", help="Only compare.")] = False,
    measure: Annotated[bool, Option("--measure", help="Measure the speeds anew.")] = False,
) -> None:
    """Write the report, or compare the one that is there."""
    if measure:
        files.write_json(SPEED, speeds())
    report = files.read_json(REPORT)
    text = rendered(
        (DOCS / "methodology_template.md").read_text(encoding="utf-8"), blocks(report, files.read_json(SPEED))
    )
    target = DOCS / "methodology.md"
    if check:
        if target.read_text(encoding="utf-8") != text:
            raise UserError("docs/methodology.md is behind reports/quality.json", "run 'make methodology'")
        return
    pictures = {name: vl_convert.vegalite_to_svg(plot) for name, plot in plots(report).items()}
    for name, picture in pictures.items():
        files.write_text(DOCS / "figures" / f"{name}.svg", picture)
    files.write_text(target, text)
    files.write_text(DOCS / "methodology.html", page(text, pictures))


# --- text -------------------------------------------------------------------------------------------
def rendered(template: str, found: Mapping[str, str]) -> str:
    """The template with each `{{name}}` replaced; every name must be known, and every block be used."""
    used = set(re.findall(r"\{\{(\w+)\}\}", template))
    if used != set(found):
        raise UserError(f"the template and the blocks differ: {', '.join(sorted(used ^ set(found)))}")
    return re.sub(r"\{\{(\w+)\}\}", lambda name: found[name[1]], template)


def blocks(report: dict[str, Any], speed: dict[str, Any]) -> dict[str, str]:
    """Everything that the template names."""
    checked_targets = [row for row in report["prevalence"] if row["checked"]]
    shown = ("age_pyramid", "prevalence", "onset", "odds_ratios", "generators", "correlations", "privacy")
    return {
        **{f"kind_{part}": report["kinds"][part] for part in shown},
        **values(report),
        **comparison(report["generators"], speed),
        "summary": summary(report),
        "prevalence_failures": failures(checked_targets),
        "prevalence_table": prevalence_table(report["prevalence"]),
        "odds_table": odds_table(report["odds_ratios"]),
        "onset_table": onset_table(report["onset"]),
        "onset_within": str(sum(row["within"] for row in report["onset"])),
        "onset_conditions": str(len(report["onset"])),
        "generator_table": generator_table(report["generators"], speed),
        "worst_pairs": table(["pair", "score"], [(f"{p['a']}, {p['b']}", p["score"]) for p in report["pairs"][:8]]),
        "transfer_table": transfer_table(report["generators"]),
        "privacy_table": privacy_table(report["generators"]),
        "data_dictionary": data_dictionary(),
    }


def values(report: dict[str, Any]) -> dict[str, str]:
    """The figures within sentences."""
    lead, limits, people = headline(report), report["bars"], report["people"]
    shares = lead["transfer_share_of_real"].items()
    return {
        **{name: f"{count:,}" for name, count in people.items()},
        **{name: str(count) for name, count in report["privacy"].items()},
        "prevalence_within": str(lead["prevalence"]["within"]),
        "prevalence_targets": str(lead["prevalence"]["targets"]),
        "relative_tolerance": f"{100 * limits['relative_tolerance']:.0f}",
        "standard_errors": f"{limits['standard_errors']:g}",
        "odds_within": str(lead["odds_ratios"]["within"]),
        "odds_pairs": str(lead["odds_ratios"]["pairs"]),
        "odds_factor": f"{limits['odds_factor']:g}",
        "odds_furthest": f"{lead['odds_ratios']['furthest']:.2f}",
        "columns": str(len(report["columns"])),
        "column_names": ", ".join(spaced(name) for name in report["columns"]),
        "transfer_shares": ", ".join(f"{100 * share:.1f} % for {spaced(target)}" for target, share in shares),
        "uncalibrated_pairs": str(report["uncalibrated"]["pairs"]),
        "uncalibrated_mean": f"{report['uncalibrated']['mean_pair']:.3f}",
        "uncalibrated_worst": f"{report['uncalibrated']['worst_pair']:.3f}",
        **correlation_values(report["correlations"]),
    }


def correlation_values(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How far correlations are from the real ones, and which are furthest."""
    apart = sorted(rows, key=lambda row: -abs(row["ours"] - row["real"]))
    furthest = (f"{spaced(r['a'])} and {spaced(r['b'])} {r['ours']:.2f} for {r['real']:.2f}" for r in apart[:5])
    return {
        "correlation_mean": f"{sum(abs(row['ours'] - row['real']) for row in rows) / len(rows):.3f}",
        "correlation_pairs": str(len(rows)),
        "correlation_furthest": "; ".join(furthest),
    }


def comparison(found: dict[str, Any], speed: dict[str, Any]) -> dict[str, str]:
    """The figures that the comparison of methods reasons about."""
    ours, copula, independent = (found[name] for name in (OURS, COPULA, INDEPENDENT))
    better = [
        spaced(target)
        for target, auc in ours["transfer"]["logistic_regression"].items()
        if auc > copula["transfer"]["logistic_regression"][target]
    ]
    return {
        "copula_columns": f"{copula['column_shapes']:.3f}",
        "ours_columns": f"{ours['column_shapes']:.3f}",
        "copula_broken_bmi": f"{100 * copula['broken_bmi']:.0f}",
        "copula_discriminator": f"{copula['discriminator_auc']:.3f}",
        "ours_discriminator": f"{ours['discriminator_auc']:.3f}",
        "copula_worst_pair": f"{copula['worst_pair']:.3f}",
        "ours_worst_pair": f"{ours['worst_pair']:.3f}",
        "better_targets": " and ".join(better) or "none of the targets",
        "independent_overall": f"{independent['overall']:.3f}",
        "independent_discriminator": f"{independent['discriminator_auc']:.3f}",
        "copula_speed": f"{speed[COPULA]:,}",
        "ours_speed": f"{speed[OURS]:,}",
        "timed_rows": f"{speed['rows']:,}",
    }


def summary(report: dict[str, Any]) -> str:
    """What leads: each question with its answer, what was asked for, and what kind of figure it is."""
    lead, bars = headline(report), report["bars"]
    ours, copula = (lead["generators"][name] for name in (OURS, COPULA))
    shares = lead["transfer_share_of_real"]
    learning = ", ".join(f"{spaced(name)} {100 * share:.1f} %" for name, share in shares.items())
    worst, told = (f"{ours[key]:.3f} ({copula[key]:.3f})" for key in LEADS)
    prevalence, odds = (f"{lead[key]['within']} of {sum_of}" for key, sum_of in graded(lead).items())
    rows = {
        "prevalence": ("published prevalences met", prevalence, "all", "prevalence"),
        "odds_ratios": ("odds ratios met", odds, "all", "odds_ratios"),
        "bmi": ("records with a wrong body mass index", f"{100 * report['bmi']['broken']:.1f} %", "none", "bmi"),
        "worst_pair": ("worst pair of columns (copula)", worst, f"at least {bars['worst_pair_at_least']:g}", "pairs"),
        "discriminator_auc": (
            *("discriminator, half is perfect (copula)", told),
            *(f"at most {bars['discriminator_auc_at_most']:g}", "generators"),
        ),
        "transfer": (
            *("learning on ours, as a share of learning on real people", learning),
            *(f"at least {100 * bars['transfer_share_at_least']:g} %", "generators"),
        ),
        "privacy": ("rows equal to a real person's", str(report["privacy"]["equal_to_real"]), "none", "privacy"),
    }
    return table(
        ["question", "answer", "asked for", "met", "kind"],
        [(*rows[bar][:3], "yes" if met else "**no**", report["kinds"][rows[bar][3]]) for bar, met in bars_of(lead)],
    )


def graded(lead: dict[str, Any]) -> dict[str, int]:
    """How many figures there are of what is counted."""
    return {"prevalence": lead["prevalence"]["targets"], "odds_ratios": lead["odds_ratios"]["pairs"]}


def bars_of(lead: dict[str, Any]) -> list[tuple[str, bool]]:
    """The bars in the order in which the page speaks of them."""
    order = ("prevalence", "odds_ratios", "bmi", "worst_pair", "discriminator_auc", "transfer", "privacy")
    return [(bar, lead["bars_met"][bar]) for bar in order]


def failures(rows: Sequence[dict[str, Any]]) -> str:
    missed = [row for row in rows if not row["within"]]
    return f"Not met:\n\n{prevalence_table(missed)}" if missed else "Every one is met."


def prevalence_table(rows: Sequence[dict[str, Any]]) -> str:
    names = ["target", "stratum", "published, %", "found, %", "tolerance", "age-adjusted", "checked", "met", "source"]
    return table(names, [prevalence_row(row) for row in rows])


def prevalence_row(row: dict[str, Any]) -> list[Any]:
    figures = [f"{row[name]:.4g}" for name in ("published", "found", "tolerance")]
    answers = ["yes" if row[name] else "no" for name in ("age_adjusted", "checked", "within")]
    return [spaced(row["name"]), row["stratum"], *figures, *answers, row["source"]]


def odds_table(rows: Sequence[dict[str, Any]]) -> str:
    shown = [
        (
            f"{spaced(r['a'])}, {spaced(r['b'])}",
            f"{r['measured']:g}",
            f"{r['found']:.2f}",
            f"{r['ratio']:.2f}",
            "yes" if r["within"] else "no",
        )
        for r in rows
    ]
    return table(["pair", "measured", "found", "ratio", "met"], shown)


def onset_table(rows: Sequence[dict[str, Any]]) -> str:
    shown = [
        (
            r["name"],
            "" if r["median"] is None else f"{r['median']:g}",
            f"{r['from']:g} to {r['to']:g}",
            "" if r["before_20"] is None else f"{100 * r['before_20']:.1f}",
            "yes" if r["within"] else "no",
            r["source"],
        )
        for r in rows
    ]
    return table(["condition", "median age", "expected", "before 20, %", "met", "source"], shown)


def generator_table(found: dict[str, Any], speed: dict[str, Any]) -> str:
    keys = ("overall", "column_shapes", "column_pairs", "worst_pair", "discriminator_auc", "broken_bmi")
    rows = [
        (NAMES[name], *(found[name][key] for key in keys), f"{speed[name]:,}" if name in speed else "")
        for name in GENERATORS
    ]
    return table(
        ["people", "overall", "columns", "pairs", "worst pair", "discriminator", "broken BMI", "rows a second"], rows
    )


def transfer_table(found: dict[str, Any]) -> str:
    names = ["trained on", *(f"{spaced(target)}, {spaced(learner)}" for learner in LEARNERS for target in TARGETS)]
    rows = [
        (NAMES[name], *(found[name]["transfer"][learner][target] for learner in LEARNERS for target in TARGETS))
        for name in GENERATORS
    ]
    return table(names, rows)


def privacy_table(found: dict[str, Any]) -> str:
    keys = ("nearest_median", "nearest_5th_percentile", "ratio", "closer_to_fitted")
    rows = [
        (NAMES[name], f"{found[name]['closeness']['equal_rows']:.0f}", *(found[name]["closeness"][key] for key in keys))
        for name in GENERATORS
    ]
    names = [
        "people",
        "equal to a fitted row",
        "closest, median",
        "closest, 5th percentile",
        "ratio",
        "closer to the fitted half",
    ]
    return table(names, rows)


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of Markdown, scores with three digits."""
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [
        f"| {' | '.join(f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in row)} |" for row in rows
    ]
    return "\n".join(lines)


def spaced(name: str) -> str:
    """A name of the report as words."""
    return name.replace("_", " ")


# --- the data dictionary ------------------------------------------------------------------------------
def tables() -> Iterator[Table]:
    """Every table of the project, in the order of the module."""
    return (value for value in vars(schema).values() if isinstance(value, Table))


def data_dictionary() -> str:
    """Of each table its columns: type, whether it may be missing, what is checked, and the key."""
    return "\n\n".join(dictionary_of(each) for each in tables())


def dictionary_of(each: Table) -> str:
    rows = [
        (
            f"`{name}`",
            str(column.dtype),
            "yes" if column.nullable else "no",
            "; ".join(checked(check) for check in column.checks),
            "key" if name in each.key else "",
        )
        for name, column in each.schema.columns.items()
    ]
    across = [str(check.name) for check in each.schema.checks]
    note = f"\n\nBetween columns: {'; '.join(f'`{name}`' for name in across)}." if across else ""
    return f"### {each.name}\n\n{table(['column', 'type', 'may be missing', 'checks', 'key'], rows)}{note}"


def checked(check: Any) -> str:
    """A check as code, safe inside a table."""
    return "`" + str(check.error or check.name).replace("|", "\\|") + "`"


# --- plots ----------------------------------------------------------------------------------------------
def plots(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The Vega-Lite specification of each plot by its name."""
    generators = report["generators"]
    return {
        "age_pyramid": age_pyramid(report),
        "prevalence": forest(report),
        "odds_ratios": odds(report),
        "correlations": differences(report["correlations"]),
        "generators": bars({name: {key: found[key] for key in LEADS} for name, found in generators.items()}),
        "transfer": bars({name: found["transfer"]["logistic_regression"] for name, found in generators.items()}),
    }


def age_pyramid(report: dict[str, Any]) -> dict[str, Any]:
    """Percent of all by band of age, women to the left; the census as lines."""
    rows, alive, top = [], report["people"]["alive"], report["age_pyramid"][-1][0]
    census: dict[tuple[int, str], float] = {}
    for row in catalogue.rows("age_pyramid.csv"):
        percent, men = float(row["percent"]), float(row["male_percent"]) / 100
        for sex, share in (("women", -(1 - men)), ("men", men)):
            band = (min(int(row["age_from"]), top), sex)
            census[band] = census.get(band, 0) + percent * share
    for first, women, men in report["age_pyramid"]:
        for sex, count in (("women", -women), ("men", men)):
            rows.append(
                {"age": first, "sex": sex, "percent": 100 * count / alive, "census": census.get((first, sex), 0.0)}
            )
    age = {"field": "age", "type": "ordinal", "sort": "descending", "title": "age from"}
    side = {"axis": {"labelExpr": "abs(datum.value)"}, "title": "percent of all people"}
    layers = [
        {"mark": "bar", "encoding": {"x": quantity("percent", **side), "color": {"field": "sex", "title": None}}},
        {"mark": {"type": "tick", "color": "black", "thickness": 2}, "encoding": {"x": quantity("census", **side)}},
    ]
    return {"width": 480, "height": 300, "data": {"values": rows}, "encoding": {"y": age}, "layer": layers}


def forest(report: dict[str, Any]) -> dict[str, Any]:
    """Checked targets: found over published, with the tolerance."""
    rows = [
        {
            "target": f"{spaced(row['name'])}, {row['stratum']}: {row['published']:g} %",
            "low": max(1 - row["tolerance"] / row["published"], 0),
            "high": min(1 + row["tolerance"] / row["published"], FURTHEST),
            "met": "yes" if row["within"] else "no",
            "found": min(row["found"] / row["published"], FURTHEST),
        }
        for row in report["prevalence"]
        if row["checked"]
    ]
    y = axis("target") | {"axis": {"labelLimit": 420, "labelFontSize": 9}}
    share = {"scale": {"domain": [0, FURTHEST]}, "title": "found / published"}
    layers = [
        {
            "mark": {"type": "bar", "color": "#ddd", "size": 8},
            "encoding": {"x": quantity("low", **share), "x2": {"field": "high"}},
        },
        {"mark": {"type": "circle", "size": 40}, "encoding": {"x": quantity("found", **share), "color": MET}},
    ]
    return {"width": 420, "height": {"step": 12}, "data": {"values": rows}, "encoding": {"y": y}, "layer": layers}


def odds(report: dict[str, Any]) -> dict[str, Any]:
    """Measured odds ratios with the factor that is allowed, and found."""
    factor = report["bars"]["odds_factor"]
    rows = [
        row
        | {
            "pair": f"{spaced(row['a'])}, {spaced(row['b'])}",
            "low": row["measured"] / factor,
            "high": row["measured"] * factor,
            "met": "yes" if row["within"] else "no",
        }
        for row in report["odds_ratios"]
    ]
    y = {"field": "pair", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 420}}
    log = {"scale": {"type": "log", "domain": [0.4, 8]}, "title": "odds ratio"}
    band = {"type": "bar", "color": "#ddd", "size": 8}
    layers = [
        {"mark": band, "encoding": {"x": quantity("low", **log), "x2": {"field": "high"}}},
        {"mark": {"type": "tick", "color": "#555"}, "encoding": {"x": quantity("measured", **log)}},
        {"mark": {"type": "circle", "size": 60}, "encoding": {"x": quantity("found", **log), "color": MET}},
    ]
    return {"width": 420, "height": {"step": 18}, "data": {"values": rows}, "encoding": {"y": y}, "layer": layers}


def differences(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Correlations of ours less the real ones, every pair on both sides of the diagonal."""
    cells = [
        {"a": spaced(one), "b": spaced(other), "difference": row["ours"] - row["real"]}
        for row in rows
        for one, other in ((row["a"], row["b"]), (row["b"], row["a"]))
    ]
    scale = {"scheme": "redblue", "domain": [-0.3, 0.3], "clamp": True}
    names = list(dict.fromkeys(spaced(name) for row in rows for name in (row["a"], row["b"])))
    cell = {"x": axis("a", names), "y": axis("b", names)}
    return {
        "width": {"step": 26},
        "height": {"step": 20},
        "data": {"values": cells},
        "encoding": cell,
        "layer": [
            {"mark": "rect", "encoding": {"color": quantity("difference", scale=scale)}},
            {"mark": {"type": "text", "fontSize": 8}, "encoding": {"text": {"field": "difference", "format": ".2f"}}},
        ],
    }


def bars(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """A row of bars a figure, a bar a generator."""
    rows = [
        {"people": NAMES[name], "figure": spaced(figure), "score": score}
        for name in GENERATORS
        for figure, score in figures[name].items()
    ]
    people = {"field": "people", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 300}}
    return {
        "data": {"values": rows},
        "facet": {"row": {"field": "figure", "title": None, "sort": None}},
        "spec": {
            "width": 420,
            "encoding": {"y": people, "x": quantity("score", scale={"domain": [0, 1]})},
            "layer": [
                {"mark": "bar", "encoding": {"color": {"field": "people", "legend": None}}},
                {
                    "mark": {"type": "text", "align": "left", "dx": 3},
                    "encoding": {"text": {"field": "score", "format": ".3f"}},
                },
            ],
        },
    }


def quantity(field: str, **more: Any) -> dict[str, Any]:
    """An axis of numbers."""
    return {"field": field, "type": "quantitative", **more}


def axis(field: str, order: Sequence[str] | None = None) -> dict[str, Any]:
    """An axis of names, in this order or in that of the rows."""
    return {"field": field, "type": "nominal", "sort": order, "title": None}


# --- the page -------------------------------------------------------------------------------------------
def page(text: str, pictures: Mapping[str, str]) -> str:
    """One HTML file that needs nothing else: the pictures are in it."""
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    for name, picture in pictures.items():
        coded = base64.b64encode(picture.encode()).decode("ascii")
        body = body.replace(f'src="figures/{name}.svg"', f'src="data:image/svg+xml;base64,{coded}"')
    title = text.partition("\n")[0].lstrip("# ")
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n{body}</body>\n</html>\n"
    )


# --- speed ----------------------------------------------------------------------------------------------
def speeds() -> dict[str, Any]:
    """Rows a second of each generator on one core of this machine; ours are adults with all they have had."""
    real = real_adults()
    settings = params.load(ROOT / "params.yaml")
    population = settings.population.model_copy(update={"patients": TIMED_ROWS})
    makers: dict[str, Callable[[], Any]] = {
        COPULA: lambda: gaussian_copula(real, TIMED_ROWS, 0),
        INDEPENDENT: lambda: independent_columns(real, TIMED_ROWS, 0),
        OURS: lambda: adults(sample_living(population)),
    }
    return {"rows": TIMED_ROWS} | {name: rate(make) for name, make in makers.items()}


def rate(make: Callable[[], Any]) -> int:
    """Rows a second of the better of two runs, the first of which also warms up; two digits."""
    found = []
    for _ in range(2):
        start = time.process_time()
        found.append(len(make()) / (time.process_time() - start))
    return int(float(f"{max(found):.1e}"))


if __name__ == "__main__":
    run(main)

"""All the figures on the population, each marked by what it can prove, and the few that lead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from clinical_ner.core.params import QualityParams
from clinical_ner.population import catalogue
from clinical_ner.quality.comorbidity import odds_ratio_rows, odds_ratios
from clinical_ner.quality.generators import in_terms_of_the_survey, of_composition
from clinical_ner.quality.judging import CEILING, GENERATORS, OURS, generators_judged
from clinical_ner.quality.living import adults, age_pyramid
from clinical_ner.quality.onset import onset_rows
from clinical_ner.quality.people import People
from clinical_ner.quality.prevalence import compare, prevalence_rows, targets
from clinical_ner.quality.privacy import equal_rows, repeated_rows
from clinical_ner.quality.similarity import Similarity, broken_bmi, correlation_rows, similarity, similarity_rows

CALIBRATION, IDENTITY, OUT_OF_SAMPLE = "calibration", "identity", "out of sample"
KINDS = {  # of every part of the report: what a good figure in it proves; of columns and pairs see `calibrated_pairs`
    "age_pyramid": CALIBRATION,
    "prevalence": CALIBRATION,
    "onset": CALIBRATION,
    "odds_ratios": CALIBRATION,
    "bmi": IDENTITY,
    "generators": OUT_OF_SAMPLE,
    "columns": OUT_OF_SAMPLE,
    "pairs": OUT_OF_SAMPLE,
    "correlations": OUT_OF_SAMPLE,
    "uncalibrated": OUT_OF_SAMPLE,
    "privacy": OUT_OF_SAMPLE,
}
MOMENTS = (  # pairs of which a correlation among the real people was calibrated to
    *(("bmi", "waist_cm"), ("bmi", "hdl"), ("bmi", "hba1c")),
    *(("sbp", "dbp"), ("height_cm", "weight_kg")),
)
COLUMN_OF = {"current_smoking": "smoking_current", "obesity": "bmi", "bp_ge_140_90": "sbp"}  # of the odds ratios
WORST_PAIRS = 20
DIGITS = 3  # of the scores: the last bits of floats differ between processors


def assess(people: People, real: pd.DataFrame, params: QualityParams) -> dict[str, Any]:
    """Every figure of the report, rounded."""
    ours = adults(people)
    surveyed = in_terms_of_the_survey(ours)
    pairs = catalogue.rows("comorbidity_odds_ratios.csv")
    published = targets(catalogue.rows("published_prevalence.csv"))
    compared = [compare(people, target, params.relative_tolerance, params.standard_errors) for target in published]
    return {
        "kinds": KINDS,
        "people": {"alive": len(people.traits), "adults": len(ours), "real_adults": len(real)},
        "bars": params.model_dump(exclude={"seed", "people", "halvings"}),
        "age_pyramid": [*age_pyramid(people)],
        "prevalence": prevalence_rows(compared),
        "onset": [*onset_rows(people)],
        "odds_ratios": odds_ratio_rows(odds_ratios(people, pairs), params.odds_factor),
        "bmi": {"broken": broken_bmi(ours)},
        "privacy": {"repeated_rows": repeated_rows(ours), "equal_to_real": equal_rows(surveyed, real)},
        **joint_structure(surveyed, real, params),
    }


def calibrated_pairs() -> frozenset[frozenset[str]]:
    """The pairs of columns of which a summary figure of the same people was calibrated to: no independent evidence."""
    told = ((row["a"], row["b"]) for row in catalogue.rows("comorbidity_odds_ratios.csv"))
    named = (COLUMN_OF.get(name, name) for pair in told for name in pair)
    return frozenset(frozenset(pair) for pair in (*MOMENTS, *zip(named, named, strict=True)))


def joint_structure(ours: pd.DataFrame, real: pd.DataFrame, params: QualityParams) -> dict[str, Any]:
    """The generators side by side, and where ours is least like the real people."""
    like_real = of_composition(ours, real, params.seed)
    free = uncalibrated(similarity(real, like_real))
    found: dict[str, Any] = rounded(
        {
            "generators": generators_judged(real, ours, params.halvings, params.seed),
            **similarity_rows(real, like_real, WORST_PAIRS),
            "correlations": correlation_rows(real, like_real),
            "uncalibrated": {
                "pairs": len(free),
                "mean_pair": sum(free.values()) / len(free),
                "worst_pair": min(free.values()),
            },
        }
    )
    return found


def uncalibrated(alike: Similarity) -> dict[tuple[str, str], float]:
    """The scores of the pairs that nothing was calibrated to."""
    calibrated = calibrated_pairs()
    return {pair: score for pair, score in alike.pairs.items() if frozenset(pair) not in calibrated}


def rounded(value: Any) -> Any:
    """The figures anywhere in nested lists and dictionaries to as many digits as are the same everywhere."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def headline(report: dict[str, Any]) -> dict[str, Any]:
    """The figures that a change of the population is judged by."""
    checked = [row for row in report["prevalence"] if row["checked"]]
    odds = report["odds_ratios"]
    return {
        "prevalence": {"targets": len(checked), "within": sum(row["within"] for row in checked)},
        "odds_ratios": {
            "pairs": len(odds),
            "within": sum(row["within"] for row in odds),
            "furthest": max(
                (max(row["ratio"], round(1 / row["ratio"], 2)) for row in odds if row["ratio"]), default=None
            ),
        },
        "generators": {
            name: {key: found[key] for key in ("overall", "worst_pair", "discriminator_auc", "broken_bmi")}
            | {"transfer_auc": found["transfer"]["logistic_regression"]}
            for name, found in report["generators"].items()
        },
        "transfer_share_of_real": shares_of_real(report),
        "privacy": report["privacy"],
        "bars_met": bars_met(report),
    }


def bars_met(report: dict[str, Any]) -> dict[str, bool]:
    """Whether the population is as good as the parameters ask for, in each respect."""
    ours, bars = report["generators"][OURS], report["bars"]
    return {
        "prevalence": all(row["within"] for row in report["prevalence"] if row["checked"]),
        "odds_ratios": all(row["within"] for row in report["odds_ratios"]),
        "bmi": report["bmi"]["broken"] == 0,
        "worst_pair": ours["worst_pair"] >= bars["worst_pair_at_least"],
        "discriminator_auc": ours["discriminator_auc"] <= bars["discriminator_auc_at_most"],
        "transfer": min(shares_of_real(report).values()) >= bars["transfer_share_at_least"],
        "privacy": report["privacy"]["equal_to_real"] == 0,
    }


def shares_of_real(report: dict[str, Any]) -> dict[str, float]:
    """The AUC on real people of models that learnt on ours, over that of models that learnt on real ones."""
    ours, real = (report["generators"][name]["transfer"]["logistic_regression"] for name in (OURS, CEILING))
    return {target: round(ours[target] / real[target], DIGITS) for target in ours}


class Plot(NamedTuple):
    """The data of a plot of DVC's."""

    names: Sequence[str]
    rows: Iterable[Sequence[Any]]


def plots(report: dict[str, Any]) -> dict[str, Plot]:
    """The data of the plots by name."""
    checked = [row for row in report["prevalence"] if row["checked"]]
    return {
        "prevalence": Plot(
            ("target", "published", "found", "within"),
            [(f"{row['name']}, {row['stratum']}", row["published"], row["found"], row["within"]) for row in checked],
        ),
        "odds_ratios": Plot(
            ("pair", "measured", "found", "within"),
            [
                (f"{row['a']}, {row['b']}", row["measured"], row["found"], row["within"])
                for row in report["odds_ratios"]
            ],
        ),
        "generators": Plot(
            ("generator", "overall", "worst_pair", "discriminator_auc"),
            [
                (name, *(report["generators"][name][key] for key in ("overall", "worst_pair", "discriminator_auc")))
                for name in GENERATORS
            ],
        ),
    }

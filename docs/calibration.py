"""Calibrate who falls ill: run `python docs/calibration.py` after a change of the population's resources.

Writes `thresholds.csv`, `condition_effects.csv` and `phq9.csv` beside the other resources of the population.
Condition by condition: a surface of prevalence over age, sex and race is laid through the published figures; then,
on people of a seed of their own, the log odds at the knots and what each race adds are solved for so that the
people come out at the surface, whatever risks they have; of the co-morbidities with a published odds ratio the
effect is moved until the Mantel-Haenszel odds ratio comes out too: these are summary figures of NHANES 2017-2018,
the survey that the population is judged by. No record of a real person is read.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.special import expit, logit

from clinical_ner.core.params import PopulationParams
from clinical_ner.core.schema import RACES
from clinical_ner.population import catalogue, histories, pressure
from clinical_ner.population.catalogue import KNOTS, PUBLISHED_AGES, RESOURCES, Condition, Floats, Thresholds
from clinical_ner.population.draws import Draws
from clinical_ner.population.histories import GROUPS, Histories
from clinical_ner.population.people import ADULT, RACE_AGES, SURVEYED_FROM, lives, sample_people

SEED, PEOPLE, TODAY, YEARS = 20_200_401, 150_000, date(2024, 12, 31), 1
OLDEST = 100
AGES = np.arange(OLDEST)
BENDS = np.array([0, 3, 6, 10, 14, 17, 20, 30, 40, 50, 60, 70, 80, 90])  # ages at which a surface may be moved
SEX_BENDS = np.array([20, 50, 80])
SURE, UNSURE, CRUDE = 0.015, 0.06, 0.08  # relative errors of a figure: checked, not, crude beside an adjusted one
PHQ = "phq9"
PHQ_EFFECTS = {"depression": np.log(4.0), "anxiety_disorder": np.log(2.2), "former_smoker": np.log(1.15)}
NODES = {  # of which conditions together the published odds ratios speak, named after the last of them
    "diabetes_type_2": "diabetes",
    "myocardial_infarction": "myocardial_infarction",
    "stroke": "stroke",
    "asthma": "asthma",
    "osteoarthritis": "arthritis",
    PHQ: "phq9_ge_10",
}
FACTORS = {"obesity": "obese", "current_smoking": "smoker"}  # what the odds ratios call by another name


def main() -> None:
    people = Calibration()
    for key, fitted in people.run():
        sys.stderr.write(f"{key}\n")
        people.fitted[key] = fitted
    write(people.fitted)
    write_points(people.points)


# --- surfaces -------------------------------------------------------------------------------------
def census() -> Floats:
    """The share of people at each year of age, by sex (women, men) and race."""
    first, last = (catalogue.column("age_pyramid.csv", name).astype(int) for name in ("age_from", "age_to"))
    percent, middle = catalogue.column("age_pyramid.csv", "percent"), (first + last) / 2
    years = np.concatenate([np.full(b - a, p / (b - a)) for a, b, p in zip(first, last, percent, strict=True)])[:OLDEST]
    men = np.interp(AGES + 0.5, middle, catalogue.column("age_pyramid.csv", "male_percent")) / 100
    group = np.searchsorted([start for _, start in RACE_AGES], AGES, side="right") - 1
    race = np.array([catalogue.column("race_ethnicity.csv", name) for name, _ in RACE_AGES])
    race = (race / race.sum(axis=1, keepdims=True))[group]
    share: Floats = years[:, None, None] / 100 * np.stack([1 - men, men], 1)[:, :, None] * race[:, None, :]
    return share


CENSUS = census()


def standard() -> Floats:
    """The weight of each year of age in the standard population of 2000."""
    first = catalogue.column("standard_population.csv", "age_from").astype(int)
    people = catalogue.column("standard_population.csv", "people")
    width = np.diff([*first, OLDEST])
    return np.repeat(people / width, width)


STANDARD = standard()


def rough(condition: Condition) -> Floats:
    """Prevalence by age, sex and race as the resource has it, before the published figures."""
    share = np.interp(AGES + 0.5, PUBLISHED_AGES, condition.percent) / 100
    ratio = condition.female_male_ratio
    sexes = np.array([2 * ratio / (1 + ratio), 2 / (1 + ratio)])
    if condition.sex != "all":
        sexes = np.array([1.0, 0.0]) if condition.sex == "female" else np.array([0.0, 1.0])
    races = np.array([condition.risks.get(race, 1.0) for race in RACES])
    races = races / (CENSUS.sum(axis=(0, 1)) / CENSUS.sum() @ races)
    surface: Floats = np.clip(share[:, None, None] * sexes[:, None] * races, 1e-8, 0.95)
    surface[(np.floor(condition.min_age) > AGES) | (condition.max_age <= AGES)] = 1e-8
    return surface


def stratum(row: dict[str, str]) -> Floats:
    """The weights of a published figure's people; of an age-adjusted one they are those of the standard."""
    inside: Floats = np.zeros_like(CENSUS)
    ages = slice(int(row["age_min"]), int(row["age_max"] or OLDEST - 1) + 1)
    sexes = {"all": slice(None), "female": slice(0, 1), "male": slice(1, 2)}[row["sex"]]
    race = RACES.index(row["race_ethnicity"]) if row["race_ethnicity"] != "all" else None
    races = slice(None) if race is None else slice(race, race + 1)
    inside[ages, sexes, races] = CENSUS[ages, sexes, races]
    share: Floats = inside / inside.sum()
    return share


def adjusted(weights: Floats) -> Floats:
    by_age = weights.sum(axis=(1, 2), keepdims=True)
    inside = STANDARD[:, None, None] * np.divide(weights, by_age, out=np.zeros_like(weights), where=by_age > 0)
    share: Floats = inside / inside.sum()
    return share


def targets(rows: list[dict[str, str]]) -> Iterator[tuple[Floats, float, float]]:
    """Weights, share and relative error of every figure; an age-adjusted one should hold for the crude share too."""
    for row in rows:
        error = SURE if row["checked"] == "yes" else UNSURE
        if row["age_adjusted"] == "yes":
            yield adjusted(stratum(row)), float(row["percent"]) / 100, error
            error = CRUDE
        yield stratum(row), float(row["percent"]) / 100, error


def surface(start: Floats, rows: list[dict[str, str]], others: Floats, own: list[dict[str, str]]) -> Floats:
    """`start` bent until the figures come out: `rows` of it together with `others`, `own` of it alone."""
    if not rows and not own:
        return start
    found = [*targets(rows), *targets(own)]
    weights = np.array([weight.ravel() for weight, _, _ in found])
    share, error = np.array([figure[1:] for figure in found]).T
    beside = np.where(np.arange(len(found)) < len(list(targets(rows))), 1.0, 0.0)[:, None] * others.ravel()
    base, room = (weights * beside).sum(axis=1), weights * (1 - beside)
    raced = 0.8 if any(row["race_ethnicity"] != "all" for row in rows + own) else 0.25
    sizes = (len(BENDS), len(SEX_BENDS), len(RACES))
    prior = logit(start)

    def bent(moves: Floats) -> Floats:
        ages, sexes, races = np.split(moves, np.cumsum(sizes)[:-1])
        by_sex = np.interp(AGES, SEX_BENDS, sexes)[:, None] * np.array([0.5, -0.5])
        curved: Floats = expit(prior + np.interp(AGES, BENDS, ages)[:, None, None] + by_sex[:, :, None] + races)
        return curved

    def misses(moves: Floats) -> Floats:
        figures = np.log((base + room @ bent(moves).ravel()) / share) / error
        figures *= 0.3 + np.abs(figures) / 4  # figures that contradict each other are all missed by a little
        ages, sexes, races = np.split(moves, np.cumsum(sizes)[:-1])
        smooth = [np.diff(ages, 2) / 0.25, np.diff(ages) / 1.0, sexes / 0.8, np.diff(sexes) / 0.4, races / raced]
        return np.concatenate([figures, *smooth])

    return bent(least_squares(misses, np.zeros(sum(sizes)), x_scale=0.3, max_nfev=60).x)


# --- people ---------------------------------------------------------------------------------------
@dataclass
class Fit:
    """One condition to be solved for on the people of the calibration."""

    wanted: Floats  # of each person: the share of their like who should have it (or the others)
    able: Any  # who can have it
    others: Any  # who has another condition of the same union
    episode: bool = False


class Calibration:
    """The people, and what has been solved for so far."""

    def __init__(self) -> None:
        self.draw = Draws(SEED, 0, PEOPLE)
        params = PopulationParams(seed=SEED, patients=PEOPLE, reference_date=TODAY, years_of_records=YEARS)
        self.patients = sample_people(params, self.draw)
        self.lives = lives(self.patients, TODAY)
        self.cell = (
            np.minimum(self.lives.age, OLDEST - 1).astype(int),
            (self.patients["sex"] == "male").to_numpy().astype(int),
            self.patients["race_ethnicity"].map({race: code for code, race in enumerate(RACES)}).to_numpy(),
        )
        self.place()
        self.surfaces: dict[str, Floats] = {}
        self.fitted: dict[str, Thresholds] = {}

    def place(self) -> None:
        """Group people by knot, sex and race, and say which moves the lower and the upper end of a group feel."""
        knot = np.clip(np.searchsorted(KNOTS, self.lives.age, side="right") - 1, 0, len(KNOTS) - 2)
        self.state_past = np.minimum((self.lives.age - KNOTS[knot]) / (KNOTS[knot + 1] - KNOTS[knot]), 1)
        self.group = (knot * 2 + self.cell[1]) * len(RACES) + self.cell[2]
        knots, sexes, races = (axis.ravel() for axis in np.mgrid[: len(KNOTS) - 1, :2, : len(RACES)])
        race = races[:, None] == np.arange(1, len(RACES))
        place = np.arange(2 * len(KNOTS)) == (knots + sexes * len(KNOTS))[:, None]
        upper = np.arange(2 * len(KNOTS)) == (knots + 1 + sexes * len(KNOTS))[:, None]
        self.low = np.concatenate([place, race], axis=1).astype(float)
        self.high = np.concatenate([upper, race], axis=1).astype(float)

    def run(self) -> Iterator[tuple[str, Thresholds]]:
        yield from self.hypertension()
        for condition in catalogue.conditions():
            fitted = self.solve(condition)
            histories.add(condition, self.state, fitted)
            yield condition.key, fitted
        yield PHQ, self.depressed()

    def hypertension(self) -> Iterator[tuple[str, Thresholds]]:
        condition = next(c for c in catalogue.conditions() if c.key == "hypertension")
        shape = self.shape(condition, rough(condition), np.zeros_like(CENSUS))
        female = self.cell[1] == 0
        systolic, diastolic = pressure.measured(self.patients, self.lives.age, female, self.draw)
        high = (systolic >= pressure.SYSTOLIC_HIGH) | (diastolic >= pressure.DIASTOLIC_HIGH)
        adult = self.lives.age >= ADULT
        fit = Fit(shape[self.cell], adult & ~high, adult & high)
        solved = self.newton(fit, pressure.nearly_high(self.patients, systolic), shape)
        yield pressure.CONTROLLED_HYPERTENSION, solved
        now = pressure.pressure_of(self.patients, self.lives, solved, self.draw)
        self.state: Histories = histories.before_illness(self.patients, self.lives, now, self.draw, YEARS)

    def shape(self, condition: Condition, start: Floats, others: Floats) -> Floats:
        """The surface of a condition, through the figures that end with it; remembered for unions."""
        rows = catalogue.rows("published_prevalence.csv")
        union = [row for row in rows if row["conditions"].split("+")[-1] == condition.key and "+" in row["conditions"]]
        union = [row for row in union if row["name"] != "cancer_ever"]  # the sum of its sites, which have figures
        own = [row for row in rows if row["conditions"] == condition.key]
        return surface(start, union, others, own)

    def solve(self, condition: Condition) -> Thresholds:
        members = [m for m in GROUPS.get(NODES.get(condition.key, ""), ()) if m != condition.key]
        if condition.key == "ulcerative_colitis":
            members = ["crohn_disease"]
        others = 1 - np.prod([1 - self.surfaces[member] for member in members], axis=0) if members else 0 * CENSUS
        shape = self.shape(condition, rough(condition), others)
        self.surfaces[condition.key] = shape
        if condition.decided_by:
            return self.plain(shape)
        effects = {risk: np.log(odds) for risk, odds in condition.risks.items() if odds > 0 and risk not in RACES}
        effects |= histories.lethal_effect(condition.key)
        held = np.logical_or.reduce([self.state.has[m] for m in members]) if members else np.zeros(PEOPLE, bool)
        together = 1 - (1 - shape) * (1 - others)
        wanted = together[self.cell] if members else shape[self.cell]
        able = histories.possible(condition, self.state)
        fit = Fit(wanted, able & ~held if members else able, held, condition.course == "episode")
        return self.adjust(condition.key, fit, effects, shape)

    def plain(self, shape: Floats) -> Thresholds:
        """The curve alone, for what a measurement decides."""
        weights = CENSUS / CENSUS.sum(axis=2, keepdims=True)
        sexes = logit(np.clip((shape * weights).sum(axis=2), 1e-7, 0.99))
        women, men = (np.interp(KNOTS, AGES + 0.5, sexes[:, sex]) for sex in (0, 1))
        return Thresholds(women, men, {})

    def adjust(self, key: str, fit: Fit, effects: dict[str, float], shape: Floats) -> Thresholds:
        """Solve, and move the effects with a published odds ratio until those come out."""
        pairs = self.pairs(key)
        for name in pairs:
            for member in GROUPS.get(name, ()):
                effects.pop(member, None)
        effects |= {name: np.log(ratio) for name, ratio in pairs.items()}
        solved = self.newton(fit, histories.effect(self.state, effects), shape)
        for _ in range(7 if pairs else 0):
            likely = self.likely(fit, solved, effects)
            for name, ratio in pairs.items():
                effects[name] += 0.9 * float(np.log(ratio / self.odds_ratio(self.state.has[name], likely)))
            solved = self.newton(fit, histories.effect(self.state, effects), shape)
        return Thresholds(solved.women, solved.men, {**solved.effects, **effects})

    def pairs(self, key: str) -> dict[str, float]:
        """The published odds ratios of a node with the nodes before it."""
        node = NODES.get(key)
        found = {}
        for row in catalogue.rows("comorbidity_odds_ratios.csv"):
            for one, other in ((row["a"], row["b"]), (row["b"], row["a"])):
                name = FACTORS.get(other, other)
                if one == node and name in self.state.has:
                    found[name] = float(row["odds_ratio"])
        return found

    def likely(self, fit: Fit, solved: Thresholds, effects: dict[str, float]) -> Floats:
        height = self.state.now(solved.women, solved.men) + histories.effect(self.state, {**solved.effects, **effects})
        return np.where(fit.others, 1.0, np.where(fit.able, expit(height), 0.0))

    def odds_ratio(self, exposed: Any, likely: Floats) -> float:
        """Mantel-Haenszel over ten-year age bands and sex, adults from 20 on, of expected counts."""
        band = np.minimum(self.lives.age // 10, 8).astype(int) * 2 + self.cell[1]
        adult = (self.lives.age >= SURVEYED_FROM) & ~self.lives.dead
        tables = [
            np.bincount(band[adult], (weight * share)[adult], minlength=18)
            for weight in (exposed, ~exposed)
            for share in (likely, 1 - likely)
        ]
        a, b, c, d = (table[4:] for table in tables)
        total = a + b + c + d
        return float((a * d / total).sum() / (b * c / total).sum())

    def newton(self, fit: Fit, offset: Floats, shape: Floats) -> Thresholds:
        """The log odds at the knots and the races' that make every stretch of the living come out as wanted."""
        fit = replace(fit, able=fit.able & ~self.lives.dead, others=fit.others & ~self.lives.dead)
        start = self.plain(np.minimum(shape, 0.9))
        moves = np.concatenate([start.women, start.men, np.zeros(len(RACES) - 1)])
        group, past, offset = self.group[fit.able], self.state_past[fit.able], offset[fit.able]
        wanted = self.sums(np.where(fit.able | fit.others, fit.wanted - fit.others, 0.0), self.group, self.state_past)
        for _ in range(40):
            height = np.clip(self.heights(moves, group, past) + offset, -20, 12)
            share = np.exp(height) if fit.episode else expit(height)
            weight = share if fit.episode else share * (1 - share)
            miss = wanted - self.sums(share, group, past)
            bend = self.products(weight, group, past)
            spread = np.diag(bend)
            step = np.linalg.solve(bend + np.diag(0.01 * spread + 1e-4 * spread.max() + 1e-9), miss)
            moves += np.clip(step, -1, 1)
            if np.abs(step).max() < 2e-3:
                break
        moves = np.maximum(moves, -20)
        races = dict(zip(RACES[1:], moves[2 * len(KNOTS) :].tolist(), strict=True))
        return Thresholds(moves[: len(KNOTS)], moves[len(KNOTS) : 2 * len(KNOTS)], races)

    def heights(self, moves: Floats, group: Any, past: Floats) -> Floats:
        """The curve of each person, who is `past` the knot of their group on the way to the next."""
        low = self.low @ moves
        height: Floats = low[group] + past * (self.high @ moves - self.low @ moves)[group]
        return height

    def sums(self, values: Floats, group: Any, past: Floats) -> Floats:
        """How much of `values` falls to each of the moves: to knots by nearness, to races in full."""
        whole = np.bincount(group, values, minlength=len(self.low))
        part = np.bincount(group, values * past, minlength=len(self.low))
        total: Floats = self.low.T @ whole + (self.high - self.low).T @ part
        return total

    def products(self, weight: Floats, group: Any, past: Floats) -> Floats:
        """The weighted products of the moves' hat functions, summed over people."""
        powers = [np.bincount(group, weight * past**n, minlength=len(self.low))[:, None] for n in range(3)]
        slope = self.high - self.low
        cross = self.low.T @ (slope * powers[1])
        bend: Floats = self.low.T @ (self.low * powers[0]) + cross + cross.T + slope.T @ (slope * powers[2])
        return bend

    def depressed(self) -> Thresholds:
        """The log odds of ten points or more of the PHQ-9."""
        rows = [row for row in catalogue.rows("published_prevalence.csv") if row["conditions"] == "phq9>=10"]
        shape = surface(np.full_like(CENSUS, 0.08), rows, 0 * CENSUS, [])
        adult = self.lives.age >= 12
        fit = Fit(np.where(adult, shape[self.cell], 0.0), adult, np.zeros(PEOPLE, bool))
        solved = self.adjust(PHQ, fit, dict(PHQ_EFFECTS), shape)
        height = self.state.now(solved.women, solved.men) + histories.effect(self.state, solved.effects)
        height = height[(self.lives.age >= SURVEYED_FROM) & ~self.lives.dead]
        self.points = [
            brentq(lambda step, share=share: expit(height + step).mean() - share, -12, 12)
            for share in catalogue.column("phq9.csv", "percent_at_least") / 100
        ]
        return solved


def write(fitted: dict[str, Thresholds]) -> None:
    with (RESOURCES / "thresholds.csv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("key", "age", "women", "men"))
        for key, curves in fitted.items():
            for age, women, men in zip(KNOTS, curves.women, curves.men, strict=True):
                table.writerow((key, f"{age:g}", f"{women:.4f}", f"{men:.4f}"))
    with (RESOURCES / "condition_effects.csv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("key", "factor", "log_odds"))
        for key, curves in fitted.items():
            table.writerows((key, factor, f"{value:.4f}") for factor, value in curves.effects.items())


def write_points(points: list[float]) -> None:
    """The same figures, with what is to be added to the log odds of ten points for one, two ... points."""
    shares = [row["percent_at_least"] for row in catalogue.rows("phq9.csv")]
    with (RESOURCES / "phq9.csv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("points", "percent_at_least", "log_odds"))
        table.writerows(
            (number, share, f"{step:.4f}") for number, (share, step) in enumerate(zip(shares, points, strict=True), 1)
        )


if __name__ == "__main__":
    main()

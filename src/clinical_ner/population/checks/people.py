"""Rules on people: who they are, how they live and what they die of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clinical_ner.population import catalogue
from clinical_ner.population.checks.charts import Charts, Rule, identifiers
from clinical_ner.population.people import DRINKING_AGE
from clinical_ner.population.timeline import (
    DAYS_A_YEAR,
    NEVER,
    Flags,
)

A_MONTH = 31  # days
SMOKING_FROM = 8  # years
MOST_A_DAY = 5.0  # packs
NEVER_ISSUED = r"^(?:000|666|9\d\d)-(?:0[1-9]|[1-4]\d)-\d{4}$"  # 50 and more in the middle would be of a taxpayer
TAXPAYER = r"^9\d\d-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-"


def everybody_is_there_once(charts: Charts) -> NDArray[Any]:
    """Patients are in the order of their ids, and none comes twice."""
    return identifiers(
        charts, "patients", "patient_id", np.diff(charts.numbers("patients", "patient_id"), prepend=-1) <= 0
    )


def birth_comes_first(charts: Charts) -> NDArray[Any]:
    """Nobody is born after dying or after the reference date."""
    return identifiers(charts, "patients", "patient_id", charts.birth > charts.end)


def nobody_dies_in_the_future(charts: Charts) -> NDArray[Any]:
    """No death lies after the reference date."""
    death = charts.days("patients", "death_date")
    return identifiers(charts, "patients", "patient_id", (death > charts.today) & (death < NEVER))


def the_dead_died_of_what_they_had(charts: Charts) -> NDArray[Any]:
    """A cause of death is a condition of the one who has died, and had begun."""
    cause = charts.numbers("patients", "death_cause")
    place = charts.place("patients", "death_cause", "conditions")
    own = charts.patient("conditions")[place] == np.arange(len(cause)) if len(charts.condition) else place == 0
    begun = charts.days("conditions", "onset_date")[place] <= charts.end if len(charts.condition) else own
    named = cause >= 0
    dead = charts.days("patients", "death_date") < NEVER
    return identifiers(charts, "patients", "patient_id", named & ~((place >= 0) & own & begun & dead))


def the_dead_died_of_something_not_over(charts: Charts) -> NDArray[Any]:
    """Nobody has died of a condition that was over by then."""
    place = charts.place("patients", "death_cause", "conditions")
    over = charts.days("conditions", "resolved_date")[place] if len(charts.condition) else charts.end
    return identifiers(charts, "patients", "patient_id", (place >= 0) & (over < charts.end))


def bmi_is_weight_over_height_squared(charts: Charts) -> NDArray[Any]:
    """The body mass index is weight / height^2, rounded to a tenth."""
    people = charts.population.patients
    exact = people["weight_kg"] / (people["height_cm"] / 100) ** 2
    return identifiers(charts, "patients", "patient_id", (np.abs(people["bmi"] - exact) > 0.0501).to_numpy())


def no_number_is_a_real_one(charts: Charts) -> NDArray[Any]:
    """Social security numbers are of ranges that are never issued, and none is a taxpayer number."""
    numbers = pa.array(charts.column("patients", "ssn"), pa.string())
    never_issued, taxpayer = (
        pc.fill_null(pc.match_substring_regex(numbers, pattern), False).to_numpy(zero_copy_only=False)
        for pattern in (NEVER_ISSUED, TAXPAYER)
    )
    return identifiers(charts, "patients", "patient_id", ~never_issued | taxpayer)


def smokers_have_smoked_for_a_while(charts: Charts) -> NDArray[Any]:
    """No smoker of one month: whoever smokes or has smoked did so for longer, and not as a small child."""
    start, stop = charts.days("patients", "smoking_start"), charts.days("patients", "smoking_stop")
    smoked = (charts.column("patients", "smoking") != "never").to_numpy()
    until = np.minimum(stop, charts.end)
    wrong = smoked & ((until - start <= A_MONTH) | (start < charts.birth + SMOKING_FROM * DAYS_A_YEAR))
    return identifiers(charts, "patients", "patient_id", wrong)


def smoking_dates_follow_the_status(charts: Charts) -> NDArray[Any]:
    """Who never smoked has no dates, who smokes has not stopped, who stopped has both dates."""
    status = charts.column("patients", "smoking").to_numpy()
    started = charts.days("patients", "smoking_start") < NEVER
    stopped = charts.days("patients", "smoking_stop") < NEVER
    wrong = (started == (status == "never")) | (stopped != (status == "former"))
    return identifiers(charts, "patients", "patient_id", wrong)


def pack_years_fit_the_years(charts: Charts) -> NDArray[Any]:
    """Pack-years are at most five packs a day for the years smoked, and none without smoking."""
    until = np.minimum(charts.days("patients", "smoking_stop"), charts.end)
    years = np.maximum(until - charts.days("patients", "smoking_start"), 0) / DAYS_A_YEAR
    packs = charts.column("patients", "pack_years").to_numpy()
    return identifiers(charts, "patients", "patient_id", packs > MOST_A_DAY * years + 0.05)


def children_do_not_drink(charts: Charts) -> NDArray[Any]:
    """Nobody below 21 is said to drink unless it is a disorder."""
    young = (charts.end - charts.birth) / DAYS_A_YEAR < DRINKING_AGE
    drinks = (charts.column("patients", "alcohol") != "none").to_numpy() & ~_drinking_disorder(charts)
    return identifiers(charts, "patients", "patient_id", young & drinks)


def nobody_abstains_with_an_alcohol_use_disorder(charts: Charts) -> NDArray[Any]:
    """Whoever has an alcohol use disorder that is not over drinks moderately or heavily."""
    drinks = charts.column("patients", "alcohol").isin(["moderate", "heavy"]).to_numpy()
    return identifiers(charts, "patients", "patient_id", _drinking_disorder(charts) & ~drinks)


def _drinking_disorder(charts: Charts) -> Flags:
    """Whether each patient has an alcohol use disorder that is not over."""
    lasting = charts.days("conditions", "resolved_date") >= NEVER
    rows = lasting & (charts.condition == catalogue.by_key()["alcohol_use_disorder"].number)
    return np.isin(np.arange(len(charts.birth)), charts.patient("conditions")[rows])


RULES: tuple[Rule, ...] = (
    everybody_is_there_once,
    birth_comes_first,
    nobody_dies_in_the_future,
    the_dead_died_of_what_they_had,
    the_dead_died_of_something_not_over,
    bmi_is_weight_over_height_squared,
    no_number_is_a_real_one,
    smokers_have_smoked_for_a_while,
    smoking_dates_follow_the_status,
    pack_years_fit_the_years,
    children_do_not_drink,
    nobody_abstains_with_an_alcohol_use_disorder,
)

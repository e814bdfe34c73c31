from datetime import date

import pytest

from clinical_ner.core.params import PopulationParams
from clinical_ner.population.sample import Population, sample_population


@pytest.fixture(scope="session")
def town() -> Population:
    return sample_population(PopulationParams(seed=7, patients=20_000, reference_date=date(2024, 12, 31), years_of_records=4))

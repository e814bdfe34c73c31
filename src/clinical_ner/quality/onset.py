"""Ages at onset against what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clinical_ner.population import catalogue
from clinical_ner.quality.people import People


def onset_rows(people: People) -> Iterator[dict[str, Any]]:
    """Of every condition of `onset.csv` the median age at onset of the living, beside the range and its source."""
    for key, known in catalogue.onsets().items():
        ages = people.onset.get(key, np.empty(0))
        median = round(float(np.median(ages)), 1) if len(ages) else None
        yield {
            "name": catalogue.by_key()[key].name,
            "people": len(ages),
            "median": median,
            "before_20": round(float(np.mean(ages < 20)), 3) if len(ages) else None,
            "from": known.median_from,
            "to": known.median_to,
            "within": median is not None and known.median_from <= median <= known.median_to,
            "source": known.source,
        }

"""What is wrong in what was read of annotated documents: the same figures for synthetic, golden and real text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from clinical_ner.ner.errors import Error, error_causes, errors
from clinical_ner.ner.evaluation import Keep, Understood, calibration, everything, spans_of
from clinical_ner.ner.gazetteer import Gazetteer


def diagnosis(
    read: Sequence[Understood],
    labels: Collection[str],
    gazetteer: Gazetteer,
    keep: Keep = everything,
    is_judged: Keep = everything,
) -> dict[str, Any]:
    """The errors by cause and the calibration, of the spans that are kept: figures alone, no text.

    `is_judged`: of the kept spans those that the calibration is measured on.
    """
    return {
        "causes": cause_table(error for error in errors(spans_of(read, labels), gazetteer) if keep(*error[:2])),
        "calibration": calibration(read, labels, lambda *span: keep(*span) and is_judged(*span)),
    }


def cause_table(found: Iterable[Error]) -> dict[str, dict[str, int]]:
    """The false positives and false negatives of each cause, ready for JSON."""
    return {cause: counts._asdict() for cause, counts in error_causes(found).items()}

"""The span: half-open character offsets with a label, `text[start:end]`, everywhere.

It stands apart from `schema.py` so that the tagger and the service can use it without pandas.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, get_args

DISEASE = "DISEASE"
TREATMENT = "TREATMENT"
LABELS = (DISEASE, TREATMENT)
AssertionName = Literal["present", "absent", "uncertain", "historical", "family", "hypothetical"]
SectionName = Literal[  # of a note, by what its headings say
    "chief_complaint",
    "history_of_present_illness",
    "past_medical_history",
    "medications",
    "allergies",
    "family_history",
    "social_history",
    "review_of_systems",
    "physical_examination",
    "results",
    "procedure",
    "hospital_course",
    "assessment",  # also where the plan stands under the same heading
    "plan",
    "background",  # the last four are those of a structured abstract
    "methods",
    "findings",
    "conclusions",
]
ASSERTIONS: tuple[str, ...] = get_args(AssertionName)
SECTIONS: tuple[str, ...] = get_args(SectionName)
SYNTHETIC, ANNOTATED = SOURCES = ("synthetic", "annotated")  # where a sentence to learn from comes from
TERM_KINDS = ("disease", "symptom", "drug", "procedure", "drug_class", "substance")  # what a known term may be
LABEL_OF_KIND = {"disease": DISEASE, "drug": TREATMENT, "procedure": TREATMENT, "drug_class": TREATMENT}


class Extent(Protocol):
    """Anything with half-open offsets."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Span(NamedTuple):
    """`text[start:end]` has this label; offsets count Unicode code points of the original text."""

    start: int
    end: int
    label: str

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one character.

        >>> Span(0, 4, "DISEASE").overlaps(Span(4, 6, "DISEASE"))
        False
        """
        return self.start < other.end and other.start < self.end

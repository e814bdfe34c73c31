"""The names of a note's figures: what the service stores and the pipeline compares.

They stand apart from `schema.py` so that the service can use them without pandas.
"""

from __future__ import annotations

from clinical_ner.core.span import ASSERTIONS, SECTIONS

NONE = "none"  # no heading above, or no concept known
UNSAID = "unsaid"
AGES = ("under_5", "5_to_17", "18_to_44", "45_to_64", "65_to_74", "75_and_over", UNSAID)  # years, NCHS's groups
SEXES = ("female", "male", UNSAID)
CHAPTERS = (  # of ICD-10-CM
    *("infection", "neoplasm", "blood", "metabolic", "mental", "nervous", "eye", "ear", "circulatory", "respiratory"),
    *("digestive", "skin", "musculoskeletal", "genitourinary", "pregnancy", "perinatal", "congenital", "sign"),
    *("injury", "other", "status"),
)
CONCEPTS = (*CHAPTERS, "disease", "symptom", "drug", "procedure", "therapy", "drug_class", NONE)  # a kind, if no code

COUNTS = ("characters", "tokens")
RATES = (
    *("tokens_per_sentence", "diseases_per_100_tokens", "treatments_per_100_tokens", "lines_per_100_tokens"),
    "broken_per_1000_characters",
)
SHARES = (
    *("out_of_vocabulary_rate", "mean_confidence", "unsure_token_rate", "entity_confidence"),
    *("capital_rate", "number_rate", "punctuation_rate", "function_word_rate", "non_ascii_rate", "empty_rate"),
)
NUMBERS = (*COUNTS, *RATES, *SHARES)
MIXES = {
    "assertions": ASSERTIONS,
    "sections": (*SECTIONS, NONE),
    "concepts": CONCEPTS,  # of the entities
    "ages": AGES,
    "sexes": SEXES,  # of the patient: one a note
}
MIX_SHARES = tuple(f"{mix}_{name}" for mix, names in MIXES.items() for name in names)
FIGURES = (*NUMBERS, *MIX_SHARES)

"""`params.yaml` as frozen, typed, closed objects; the file is the whole truth, no default here."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clinical_ner.core.errors import UserError, closest

Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Action = Literal["log", "watch", "alert", "retrain"]
FeatureGroup = Literal["word", "affix", "shape", "context", "cluster", "gazetteer", "abbreviation", "joint"]


class Section(BaseModel):
    """A section of `params.yaml`: unknown names and other types are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class VocabularyParams(Section):
    """Which terms are kept."""

    max_words: int = Field(gt=0, description="longest term kept, in words")
    min_characters: int = Field(gt=0, description="shortest term kept, in characters")


class PopulationParams(Section):
    """How many people, as of when."""

    seed: Seed
    patients: int = Field(gt=0)
    reference_date: date = Field(strict=False, description="the day on which ages and histories end")
    years_of_records: int = Field(gt=0, le=30, description="for which check-ups, follow-ups and measurements are kept")


class QualityParams(Section):
    """How many people are judged, on which samples of the real ones, and what counts as agreement."""

    seed: Seed
    people: int = Field(gt=0, description="sampled for prevalences and odds ratios")
    halvings: int = Field(gt=0, description="ways to cut the real people in two, of which scores are the mean")
    relative_tolerance: Share = Field(description="of a published prevalence")
    standard_errors: float = Field(gt=0, description="the other tolerance of a prevalence; the wider one holds")
    odds_factor: float = Field(gt=1, description="between an odds ratio and the measured one")
    worst_pair_at_least: Share = Field(description="similarity to real people of the least alike pair of columns")
    discriminator_auc_at_most: Share = Field(description="of telling our people from real ones")
    transfer_share_at_least: Share = Field(description="of the AUC of learning on real people, learning on ours")


class RiskParams(Section):
    """The first models on patients: of whom, how far ahead, and how they are fitted."""

    seed: Seed
    people: int = Field(gt=0, description="sampled for it alone, the population's first among them")
    years_of_records: int = Field(gt=0, le=30, description="of these people, the years of the horizon among them")
    horizon_years: int = Field(gt=0, le=20, description="within which a disease is foretold, before the reference date")
    folds: int = Field(ge=2, description="of people, each held out once")
    min_share: Share = Field(description="of the cases that have a sign; rarer ones are no features")
    regularisation: float = Field(gt=0, description="L2, of the logistic regression")
    trees: int = Field(gt=0, description="of the gradient boosting")
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(ge=2, description="of each tree")
    calibration_bins: int = Field(ge=2, description="of equally many cases")
    min_events: int = Field(gt=0, description="outcomes that a group of people needs before it is scored by itself")

    @model_validator(mode="after")
    def something_is_known_before_the_horizon(self) -> Self:
        if self.horizon_years >= self.years_of_records:
            raise ValueError("horizon_years must be below years_of_records, or nothing is known before it")
        return self


class NotesParams(Section):
    """How much is written, and how untidily."""

    seed: Seed
    notes_per_patient: int = Field(gt=0, lt=100)
    literature_texts: int = Field(ge=0, description="case reports and abstracts about nobody of the population")
    typo_rate: Share = Field(description="probability that a word of a template, of five letters or more, is misspelt")
    entity_typo_rate: Share = Field(description="the same of the words of entities; the gold span is kept")


class DatasetParams(Section):
    """What is held out; every share is of the thing named."""

    seed: Seed
    unseen_patients: Share
    unseen_notes: Share = Field(description="of the notes of the seen patients")
    unseen_templates: Share
    calibration_templates: Share = Field(description="of the unseen templates, those that calibrate the confidence")
    unseen_terms: Share = Field(description="concepts whose mentions are never trained on")
    unlisted_terms: Share = Field(description="concepts, of the unseen, that the gazetteer does not hold either")

    @model_validator(mode="after")
    def unlisted_are_unseen(self) -> Self:
        if self.unlisted_terms > self.unseen_terms:
            raise ValueError("unlisted_terms must not be above unseen_terms")
        return self


class TrainParams(Section):
    """The CRF; c1 and c2 are the coefficients of L1 and L2 regularisation."""

    seed: Seed
    c1: float = Field(ge=0)
    c2: float = Field(ge=0)
    max_iterations: int = Field(gt=0)
    min_frequency: int = Field(ge=0, description="features seen less often are dropped")
    annotated_weight: float = Field(
        gt=0, description="of the annotated notes against what was learnt from the synthetic ones"
    )
    rehearsed_sentences: int = Field(ge=0, description="synthetic ones read again while adapting to annotated notes")
    gazetteer_dropout: Share = Field(description="known concepts hidden from the gazetteer features while training")
    feature_groups: tuple[FeatureGroup, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def groups_are_distinct(self) -> Self:
        if len(set(self.feature_groups)) != len(self.feature_groups):
            raise ValueError("feature_groups names a group twice")
        return self


class EvaluateParams(Section):
    """What is measured beside the CRF."""

    seed: Seed
    ablation_iterations: int = Field(gt=0, description="training iterations of each ablated model")
    ablation_sentences: int = Field(gt=0, description="training sentences of each ablated model and baseline")
    sample_texts: int = Field(gt=0, description="held-out texts read by each ablated model, and in each other writing")
    typo_rate: Share = Field(description="of the longer words, misspelt or given an accent to see whether it matters")


class DriftPolicy(Section):
    """What is done by the verdict; `log` is always done."""

    none: tuple[Action, ...] = Field(strict=False)
    watch: tuple[Action, ...] = Field(strict=False)
    alert: tuple[Action, ...] = Field(strict=False)


class DriftParams(Section):
    """How often a window of notes may be called drifted by chance, and what is done about one that has."""

    seed: Seed
    reference_patients: int = Field(
        gt=0, description="the next people of the population; their notes are the reference"
    )
    windows: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        min_length=1, strict=False, description="sizes, in notes; smaller ones are refused"
    )
    resamples: int = Field(
        ge=20, description="draws of pairs of batches, for the distances' limits, and of judged notes"
    )
    splits: int = Field(ge=3, description="cuts of the reference, for the limits of the classifier's partial AUC")
    watch_false_alarms: float = Field(gt=0, le=0.05, description="share of undrifted windows watched, or worse")
    alert_false_alarms: float = Field(gt=0, le=0.05, description="share of undrifted windows that are an alert")
    min_judged: int = Field(gt=0, description="notes with entities to judge, for agreement to count")
    agreement_confidence: float = Field(gt=0.5, lt=1, description="of the interval of their strict F1")
    watch_agreement: Share = Field(description="the model is watched if all of that interval is below")
    alert_agreement: Share = Field(description="the same of an alert")
    policy: DriftPolicy

    @model_validator(mode="after")
    def watching_comes_first(self) -> Self:
        if self.alert_false_alarms > self.watch_false_alarms:
            raise ValueError("alert_false_alarms must not be above watch_false_alarms")
        if self.alert_agreement > self.watch_agreement:
            raise ValueError("alert_agreement must not be above watch_agreement")
        return self


class IngestParams(Section):
    """Which new notes are taken in; no stage reads it, the command `ingest` does."""

    max_note_characters: int = Field(gt=0, description="longer notes are quarantined, as the service refuses them")
    earliest: date = Field(strict=False, description="notes from before this day have a wrong date")


class PromoteParams(Section):
    """When a challenger replaces the champion; `docs/promotion.md` states the rule."""

    seed: Seed
    resamples: int = Field(ge=100, description="of the documents of each test set, for the intervals")
    confidence: float = Field(gt=0.5, lt=1, description="of the intervals")
    least_gain: Share = Field(description="of F1, beyond noise, on one test set at least")
    most_loss: Share = Field(description="of F1, beyond noise, on any test set")
    most_loss_of_slice: Share = Field(description="of F1, beyond noise, on any slice of one")
    least_support: int = Field(gt=0, description="gold spans that a slice needs to be judged")
    least_speed_ratio: float = Field(gt=0, description="of the champion's speed, measured in the same run")
    speed_texts: int = Field(gt=0, description="read to measure the speed")
    speed_rounds: int = Field(gt=0, description="in which the two take turns; the median ratio counts")
    least_f1: dict[str, Share] = Field(description="by test set: below it nothing is promoted, champion or none")


class KpiParams(Section):
    """What the business says of itself; every figure made from these is called an assumption."""

    seed: Seed
    resamples: int = Field(ge=100, description="of the judged notes, for the intervals")
    confidence: float = Field(gt=0.5, lt=1)
    currency: str = Field(min_length=1)
    machine_cost_per_hour: float = Field(ge=0, description="of all that runs, whether notes come or not")
    staff_cost_per_hour: float = Field(ge=0, description="of who enters and reviews notes")
    manual_minutes_per_note: float = Field(gt=0, description="to enter a note by hand")
    review_share: Share = Field(description="of the notes, looked at by a person")
    review_minutes_per_note: float = Field(ge=0, description="of those that are looked at")
    availability_target: float = Field(gt=0, lt=1, description="share of requests that must not fail by our fault")


class Params(Section):
    """The whole of `params.yaml`: one section a stage, and one each for commands that judge what the stages made."""

    vocabulary: VocabularyParams
    population: PopulationParams
    quality: QualityParams
    risk: RiskParams
    notes: NotesParams
    dataset: DatasetParams
    train: TrainParams
    evaluate: EvaluateParams
    drift: DriftParams
    ingest: IngestParams
    promote: PromoteParams
    kpi: KpiParams


def load(path: Path) -> Params:
    """Read and check the parameters.

    Raises:
        UserError: the file is missing, is no YAML, or a value is unknown, missing or out of range.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist", "run from the top of the repository, or pass --params FILE")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise UserError(_explain(path, error)) from None


def _explain(path: Path, error: ValidationError) -> str:
    return "\n".join(
        ": ".join([str(path), *filter(None, [".".join(map(str, e["loc"]))]), _reason(e["type"], e["msg"], e["loc"])])
        for e in error.errors()
    )


def _reason(kind: str, message: str, place: tuple[int | str, ...]) -> str:
    if kind != "extra_forbidden":
        return message[0].lower() + message[1:]
    section = Params if len(place) == 1 else Params.model_fields[str(place[0])].annotation
    known = list(getattr(section, "model_fields", {}))
    return f"unknown parameter; {closest(str(place[-1]), known) or 'known: ' + ', '.join(known)}"

"""What each group of features is worth: lighter models trained alike on the same sentences, each without one group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeVar

from clinical_ner.core.params import EvaluateParams, FeatureGroup, TrainParams
from clinical_ner.core.seeds import stream
from clinical_ner.core.span import LABELS, SYNTHETIC
from clinical_ner.ner.corpora import Document
from clinical_ner.ner.evaluation import f1_by_slice, read_all, scores, scores_by_slice, span_reader
from clinical_ner.ner.gazetteer import Gazetteer
from clinical_ner.ner.held_out import Slices
from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.training import Example, fitted, groups_for

Item = TypeVar("Item")
ALL = "all"


def sampled(items: Sequence[Item], size: int, seed: int, name: str) -> list[Item]:
    """At most `size` of the items, drawn by the named stream, in their order."""
    chosen = stream(seed, name).permutation(len(items))[:size]
    return [items[index] for index in sorted(chosen)]


def sampled_sentences(examples: Iterable[Example], own: EvaluateParams) -> list[Example]:
    """Some of the synthetic sentences: an annotated one may leave a label out, which then is not known to be absent."""
    synthetic = [example for example in examples if example.source == SYNTHETIC]
    return sampled(synthetic, own.ablation_sentences, own.seed, "ablation")


def lighter_models(
    tagger: Tagger, examples: Sequence[Example], gazetteer: Gazetteer, own: EvaluateParams, params: TrainParams
) -> Iterator[tuple[str, Tagger]]:
    """Taggers with the weights of a few iterations on these sentences: with all groups, and without each in turn.

    Args:
        gazetteer: the terms that the features know in training; `tagger` has those that they know in reading.
    """
    for name, groups in _variants(groups_for(examples, params)).items():
        lighter = params.model_copy(update={"max_iterations": own.ablation_iterations, "feature_groups": groups})
        yield name, tagger.reweighted(fitted(examples, gazetteer, lighter), lighter)


def _variants(groups: Sequence[FeatureGroup]) -> dict[str, tuple[FeatureGroup, ...]]:
    without = {f"without_{name}": tuple(group for group in groups if group != name) for name in groups}
    return {ALL: tuple(groups), **{name: rest for name, rest in without.items() if rest}}


def ablations(
    models: Iterable[tuple[str, Tagger]], documents: Collection[Document], slices: Slices
) -> dict[str, dict[str, float]]:
    """The strict micro F1 of each model on these documents, in sentences of unseen templates, and by terms."""
    return {name: _ablation(model, documents, slices) for name, model in models}


def _ablation(tagger: Tagger, documents: Collection[Document], slices: Slices) -> dict[str, float]:
    readings = read_all(span_reader(tagger), documents, LABELS)
    terms = f1_by_slice(scores_by_slice(readings, slices.terms))
    templates = f1_by_slice(scores_by_slice(readings, slices.templates))
    return {
        "f1": scores(readings)["micro"]["f1"],
        **{f"f1_{name}_templates": f1 for name, f1 in templates.items()},
        **{f"f1_{name}_terms": f1 for name, f1 in terms.items()},
    }

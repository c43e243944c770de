"""Figures of a prepared data set, and the score of the answer that needs no model: the most frequent caption."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

from mindformers.dataset.lpm24.rows import Row


class Figures:
    """Counts rows as they are written; the captions of the test side are kept for the baseline."""

    def __init__(self) -> None:
        self._sets: dict[str, set[tuple[str, ...]]] = {"train": set(), "test": set()}
        self._train: Counter[str] = Counter()
        self._test: list[str] = []
        self._words = 0

    def add(self, row: Row, split: str) -> None:
        """Count a row that has its caption; `split` is `train` or `test`."""
        self._words += len(row.caption.split())
        if row.properties:
            self._sets[split].add(row.properties)
        if split == "train":
            self._train[row.caption] += 1
        else:
            self._test.append(row.caption)

    @property
    def num_rows(self) -> int:
        """Rows counted so far."""
        return self._train.total() + len(self._test)

    def summary(self) -> dict[str, Any]:
        """The figures by name: numbers of rows and sets, words a caption, shares 0 to 1; None where undefined."""
        train, test = self._train.total(), len(self._test)
        frequent = self._train.most_common(1)[0][0] if train else None
        return {
            "train_rows": train,
            "test_rows": test,
            "property_sets": len(self._sets["train"] | self._sets["test"]),
            "test_property_sets_not_in_train": len(self._sets["test"] - self._sets["train"]),
            "mean_caption_words": round(self._words / (train + test), 2) if train + test else None,
            "most_frequent_caption": frequent,
            "most_frequent_caption_share_of_test": _share(frequent, self._test),
            "most_frequent_caption_bleu2": bleu2_of_constant(frequent, self._test),
        }


def _share(caption: str | None, captions: list[str]) -> float | None:
    return round(captions.count(caption) / len(captions), 4) if captions and caption else None


def bleu2_of_constant(answer: str | None, truths: list[str]) -> float | None:
    """Corpus BLEU-2, 0 to 1, of one answer given to every item; words are lower-cased and split at blanks."""
    if not answer or not truths:
        return None
    from nltk.translate.bleu_score import corpus_bleu

    references = [[truth.lower().split()] for truth in truths]
    answers = [answer.lower().split()] * len(truths)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*The hypothesis contains 0 counts", category=UserWarning)
        return round(float(corpus_bleu(references, answers, weights=(0.5, 0.5))), 4)

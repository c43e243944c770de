"""BLEU (Papineni et al., 2002, section 2.3): clipped n-gram precisions of the whole corpus, with brevity penalty."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from mindformers.evaluation.metrics.bleu_counts import bleu_of_draws
from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, register_metric

_BLEU_2, _BLEU_4 = (1 / 2,) * 2, (1 / 4,) * 4


@register_metric("bleu")
class WordBleu(Metric):
    """Corpus BLEU-2 and BLEU-4 over words, between 0 and 1, unsmoothed."""

    packages = ("nltk",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Rows `BLEU-2` and `BLEU-4`."""
        return _estimates({"BLEU-2": _BLEU_2, "BLEU-4": _BLEU_4}, pairs.truth_words, pairs.output_words)


@register_metric("character_bleu")
class CharacterBleu(Metric):
    """Corpus BLEU-4 over the characters of SMILES, between 0 and 1, unsmoothed."""

    packages = ("nltk",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `BLEU`."""
        return _estimates({"BLEU": _BLEU_4}, pairs.truths, pairs.outputs)


def _estimates(
    rows: dict[str, tuple[float, ...]], truths: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]]
) -> dict[str, Estimate]:
    values = corpus_bleu(truths, outputs, list(rows.values()))
    again = bleu_of_draws(truths, outputs)
    pairs = zip(rows.items(), values, strict=True)
    return {row: Estimate(value, lambda draws, w=weights: again(draws, w)) for (row, weights), value in pairs}


def corpus_bleu(
    truths: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]], weights: Sequence[tuple[float, ...]]
) -> list[float]:
    """nltk's corpus BLEU with one reference per item.

    Args:
        truths: the tokens of each reference; a string counts as its characters.
        outputs: the tokens of each output.
        weights: one tuple of n-gram weights per score; n-grams are counted once for all of them.

    Returns:
        One score per tuple of weights. Where a weighted n-gram never matches, nltk takes the smallest positive number
        for its precision, so the score is all but 0.
    """
    from nltk.translate.bleu_score import corpus_bleu as nltk_corpus_bleu

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nltk explains a score of 0 at length
        # A repeated tuple of weights makes nltk return a list also where one score is asked for.
        values = nltk_corpus_bleu([[truth] for truth in truths], outputs, weights=[*weights, weights[-1]])
    return [float(value) for value in values[:-1]]

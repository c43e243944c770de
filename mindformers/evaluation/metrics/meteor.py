"""METEOR (Lavie and Agarwal, 2007) with the matching order and the parameters of nltk's `meteor_score`.

Words are matched in three stages, each on what the one before left over, and in each stage from the last word of the
output to its first, every word taking the last open word of the reference that fits:

    output     the   cat    sat    on  a    mat            stage 1   equal words
                |     :      .          |    |             stage 2   equal Porter stems
    reference  the   cats   rested      a   mat            stage 3   a WordNet synonym of the output's stem

The score is the weighted harmonic mean of precision and recall, lowered by how scattered the matches are. Most time
goes into stems and synonyms of words that come again and again, so both are looked up once per distinct word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, Unmeasured, register_metric
from mindformers.evaluation.metrics.wordnet import WordNet, find_wordnet

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5  # section 2 of the paper: weight of precision, shape and weight of the penalty
_NO_WORDNET = Unmeasured(
    "needs WordNet",
    "METEOR needs WordNet: install Debian's wordnet-base, or run python -m nltk.downloader wordnet",
)

Stem = Callable[[str], str]
Synonyms = Callable[[str], frozenset[str]]


@register_metric("meteor")
class Meteor(Metric):
    """Mean METEOR over items, between 0 and 1, on the words of the task."""

    packages = ("nltk",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate | Unmeasured]:
        """Row `METEOR`."""
        wordnet = find_wordnet()
        if wordnet is None:
            return {"METEOR": _NO_WORDNET}
        return {"METEOR": mean_estimate(meteor_scores(pairs.truth_words, pairs.output_words, wordnet))}

    def versions(self) -> dict[str, str]:
        """The libraries, and the WordNet that was found."""
        wordnet = find_wordnet()
        return super().versions() | ({"wordnet": wordnet.version} if wordnet else {})


def meteor_scores(truths: Iterable[Sequence[str]], outputs: Iterable[Sequence[str]], wordnet: WordNet) -> list[float]:
    """METEOR of each item.

    Args:
        truths: the words of each reference.
        outputs: the words of each output.
        wordnet: where synonyms are looked up.

    Returns:
        One score per item, between 0 and 1.
    """
    stem = _porter()
    return [meteor(truth, output, stem, wordnet.synonyms) for truth, output in zip(truths, outputs, strict=True)]


def meteor(truth: Sequence[str], output: Sequence[str], stem: Stem, synonyms: Synonyms) -> float:
    """METEOR of one output against one reference, in lower case.

    Args:
        truth: the words of the reference.
        output: the words of the output.
        stem: word -> stem.
        synonyms: stem -> words of the same meaning.

    Returns:
        `(1 - GAMMA * (chunks / matches) ** BETA) * P * R / (ALPHA * P + (1 - ALPHA) * R)` (equations 1 to 4), with
        P and R the matched shares of output and reference; 0 where nothing matches.
    """
    matches = align(output, truth, stem, synonyms)
    if not matches:
        return 0.0
    precision, recall = len(matches) / len(output), len(matches) / len(truth)
    harmonic = (precision * recall) / (ALPHA * precision + (1 - ALPHA) * recall)
    penalty = GAMMA * (count_chunks(matches) / len(matches)) ** BETA
    return (1 - penalty) * harmonic


def align(output: Sequence[str], truth: Sequence[str], stem: Stem, synonyms: Synonyms) -> dict[int, int]:
    """Match words of an output to words of a reference, each at most once.

    Args:
        output: the words of the output.
        truth: the words of the reference.
        stem: word -> stem.
        synonyms: stem -> words of the same meaning.

    Returns:
        Position in the output -> position in the reference.
    """
    matches: dict[int, int] = {}
    left, right = list(map(str.lower, output)), list(map(str.lower, truth))
    open_left, open_right = _match_equal(left, right, range(len(left) - 1, -1, -1), range(len(right)), matches)
    left_stems, right_stems = {i: stem(left[i]) for i in open_left}, {j: stem(right[j]) for j in open_right}
    open_left, open_right = _match_equal(left_stems, right_stems, open_left, open_right, matches)
    _match_synonyms(left_stems, right_stems, open_left, open_right, synonyms, matches)
    return matches


def count_chunks(matches: Mapping[int, int]) -> int:
    """In how many runs of neighbours, in output and reference alike, the matches lie."""
    return sum(matches.get(i - 1) != j - 1 for i, j in matches.items())


Texts = Sequence[str] | Mapping[int, str]


def _match_equal(
    left: Texts, right: Texts, open_left: Iterable[int], open_right: Iterable[int], matches: dict[int, int]
) -> tuple[list[int], list[int]]:
    """Add the matches of equal words. Open positions: falling on the left, rising on the right, as returned."""
    common = {left[i] for i in open_left} & {right[j] for j in open_right}
    if not common:
        return list(open_left), list(open_right)
    places = _places(right, [j for j in open_right if right[j] in common])
    unmatched = []
    for i in open_left:
        word = left[i]
        if word in common and (found := places[word]):
            matches[i] = found.pop()
        else:
            unmatched.append(i)
    still_open = [j for j in open_right if right[j] not in common]
    still_open += chain.from_iterable(places.values())
    return unmatched, sorted(still_open)


def _match_synonyms(
    left: Texts,
    right: Texts,
    open_left: Iterable[int],
    open_right: Iterable[int],
    synonyms: Synonyms,
    matches: dict[int, int],
) -> None:
    """Add the matches of synonyms. A word's own form needs no second look: stage 2 has used up one of the two sides."""
    if not open_left or not open_right:
        return
    places = _places(right, open_right)
    for i in open_left:
        same = synonyms(left[i])
        if not same or same.isdisjoint(places):
            continue
        word = max(same & places.keys(), key=lambda name: places[name][-1])
        matches[i] = places[word].pop()
        if not places[word]:
            del places[word]


def _places(words: Texts, positions: Iterable[int]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for position in positions:
        word = words[position]
        if word in places:
            places[word].append(position)
        else:
            places[word] = [position]
    return places


@cache
def _porter() -> Stem:
    from nltk.stem.porter import PorterStemmer

    return cache(PorterStemmer().stem)

"""METEOR: worked by hand, and equal to nltk's to the last bit."""

import random
import warnings

import nltk.data
import pytest
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.stem.porter import PorterStemmer
from nltk.translate import meteor_score as peer

from mindformers.evaluation.metrics import meteor as module
from mindformers.evaluation.metrics.meteor import Meteor, align, count_chunks, meteor, meteor_scores
from mindformers.evaluation.metrics.metric import Pairs, Unmeasured
from mindformers.evaluation.metrics.wordnet import DEBIAN_FOLDER, wordnet_in
from mindformers.evaluation.metrics.wordnet_for_nltk import lay_out_for_nltk
from mindformers.evaluation.predictions import read_predictions
from mindformers.evaluation.words import PlainWords
from mindformers.tools.errors import InputError
from tests.evaluation.mini_wordnet import IRREGULAR, SYNSETS, write_mini_wordnet
from tests.evaluation.paths import CAPTIONS


def by_hand(truth, output):
    stem = str.removesuffix
    return meteor(truth.split(), output.split(), lambda word: stem(word, "s"), {"auto": {"car"}}.get)


def no_synonyms(word):
    return frozenset()


def test_equal_texts_lose_only_the_penalty_of_one_chunk():
    assert by_hand("a b c d", "a b c d") == pytest.approx(1 - 0.5 * (1 / 4) ** 3)


def test_score_by_hand():
    # "the cat sat" against "the cats sat down": equal, stem, equal; one chunk; P = 3/3, R = 3/4
    fmean = (1 * 3 / 4) / (0.9 * 1 + 0.1 * 3 / 4)
    assert by_hand("the cats sat down", "the cat sat") == pytest.approx((1 - 0.5 * (1 / 3) ** 3) * fmean)


def test_scattered_matches_cost():
    assert by_hand("a b c d", "d c b a") == pytest.approx(1 - 0.5 * 1)


@pytest.mark.parametrize(("truth", "output"), [("", ""), ("a", ""), ("", "a"), ("a", "b")])
def test_nothing_in_common_is_0(truth, output):
    assert by_hand(truth, output) == 0.0


def test_capitals_do_not_matter():
    assert by_hand("The CAT", "the cat") == by_hand("the cat", "the cat")


def test_words_match_from_the_end():
    assert align(["a"], ["a", "b", "a"], str, no_synonyms) == {0: 2}
    assert align(["a", "b", "a"], ["a"], str, no_synonyms) == {2: 0}


def test_synonym_takes_the_last_open_word():
    synonyms = {"x": frozenset({"b", "c"})}.get
    assert align(["x"], ["b", "c", "b"], str, lambda word: synonyms(word, frozenset())) == {0: 2}


def test_synonyms_are_those_of_stems():
    assert align(["autos"], ["cars"], lambda word: word[:-1], {"auto": frozenset({"car"})}.get) == {0: 0}


@pytest.mark.parametrize(
    ("matches", "chunks"), [({}, 0), ({0: 0, 1: 1}, 1), ({1: 1, 0: 0}, 1), ({0: 1, 1: 0}, 2), ({0: 0, 2: 1, 3: 2}, 2)]
)
def test_chunks_are_runs_in_both(matches, chunks):
    assert count_chunks(matches) == chunks


def nltk_reader(data, monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [str(data)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)


def words_of_mini_wordnet():
    words = [name.split("(")[0] for synsets in SYNSETS.values() for names in synsets for name in names]
    inflected = [word + ending for word in words for ending in ("s", "ed", "ing", "er")]
    return [*words, *inflected, *" ".join(IRREGULAR.values()).split(), "the", "##s", "##ene", "[UNK]", ".", "s"]


def test_alignment_and_score_equal_nltk_on_random_texts(tmp_path, monkeypatch):
    mini = write_mini_wordnet(tmp_path / "wordnet")
    reader = nltk_reader(lay_out_for_nltk(tmp_path / "cache", source=mini), monkeypatch)
    wordnet, stem, draw = wordnet_in(mini), PorterStemmer().stem, random.Random(0)
    words, num_synonyms = words_of_mini_wordnet(), 0
    for _ in range(300):
        truth, output = (draw.choices(words, k=draw.randrange(30)) for _ in range(2))
        expected, _, _ = peer.align_words(output, truth, wordnet=reader)
        matches = align(output, truth, stem, wordnet.synonyms)
        assert sorted(matches.items()) == expected
        assert meteor(truth, output, stem, wordnet.synonyms) == peer.meteor_score([truth], output, wordnet=reader)
        num_synonyms += len(matches) - len(align(output, truth, stem, no_synonyms))
    assert num_synonyms > 300  # the third stage was at work


def test_scores_equal_nltk_with_the_real_wordnet(tmp_path, monkeypatch):
    try:
        data = lay_out_for_nltk(tmp_path)
    except InputError as error:
        pytest.skip(str(error))
    reader, table = nltk_reader(data, monkeypatch), read_predictions(CAPTIONS, "SMILES")
    truths, outputs = PlainWords().split(table.truths), PlainWords().split(table.outputs)
    expected = [peer.meteor_score([t], o, wordnet=reader) for t, o in zip(truths, outputs, strict=True)]
    assert meteor_scores(truths, outputs, wordnet_in(DEBIAN_FOLDER)) == expected


def test_metric_is_the_mean(tmp_path, monkeypatch):
    wordnet = wordnet_in(write_mini_wordnet(tmp_path / "wordnet"))
    monkeypatch.setattr(module, "find_wordnet", lambda: wordnet)
    score = Meteor().score(Pairs(["a b", "a b"], ["a b", "x y"], PlainWords()))
    assert score == {"METEOR": pytest.approx((1 - 0.5 / 8) / 2)}
    assert Meteor().versions()["wordnet"] == "3.0"


def test_without_wordnet_there_is_a_marker_and_no_number(monkeypatch):
    monkeypatch.setattr(module, "find_wordnet", lambda: None)
    score = Meteor().score(Pairs(["a"], ["a"], PlainWords()))["METEOR"]
    assert isinstance(score, Unmeasured) and score.cell == "needs WordNet"
    assert "wordnet" not in Meteor().versions()

"""Words of texts: WordPiece worked by hand with a small vocabulary, and against BERT's own tokenizer."""

import pytest

from mindformers.evaluation.predictions import read_predictions
from mindformers.evaluation.words import MAX_WORDS, PlainWords, WordPieces, words_from
from mindformers.tools.errors import InputError
from tests.evaluation.paths import CAPTIONS, VOCABULARY


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The molecule is Benzene.", ["the", "molecule", "is", "benz", "##ene", "."]),
        ("Benzoic acid,(a ring)", ["benz", "##oic", "acid", ",", "(", "a", "ring", ")"]),
        ("Café", ["cafe"]),
        ("benzyl ring", ["[UNK]", "ring"]),
        ("[CLS] a ring [SEP]", ["a", "ring"]),
        ("", []),
    ],
)
def test_pieces_by_hand(text, pieces):
    assert WordPieces(VOCABULARY).split([text]) == [pieces]


def test_pieces_end_at_the_limit():
    assert MAX_WORDS == 510
    assert WordPieces(VOCABULARY).split(["a " * 600, "a " * 509]) == [["a"] * 510, ["a"] * 509]


def test_pieces_equal_those_of_bert():
    transformers = pytest.importorskip("transformers")
    bert = transformers.BertTokenizer(str(VOCABULARY), do_lower_case=True)
    texts = read_predictions(CAPTIONS, "SMILES").truths
    assert WordPieces(VOCABULARY).split(texts) == [bert.tokenize(text) for text in texts]


def test_plain_words_are_lower_cased_and_never_cut():
    assert PlainWords().split(["The  Ring.", ""]) == [["the", "ring."], []]
    assert len(PlainWords().split(["a " * 600])[0]) == 600


def test_without_vocabulary_words_are_plain_and_say_so():
    words = words_from(None)
    assert words.label == "plain lower-cased words" and not words.is_published
    assert words_from(VOCABULARY).label == "WordPiece (eval_vocab.txt)" and words_from(VOCABULARY).is_published


def test_other_files_are_no_vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("the\nring\n")
    with pytest.raises(InputError, match=r"\[UNK\], \[CLS\], \[SEP\]"):
        WordPieces(path)

"""WordNet's files, where they are looked for, and the copy that nltk's own reader opens."""

import os
from zipfile import ZipFile

import nltk.data
import pytest
from nltk.corpus.reader.wordnet import WordNetCorpusReader

from mindformers.evaluation.metrics import wordnet as module
from mindformers.evaluation.metrics.wordnet import find_wordnet, wordnet_in
from mindformers.evaluation.metrics.wordnet_for_nltk import LEXNAMES, lay_out_for_nltk, lexnames_table
from mindformers.tools.errors import InputError
from tests.evaluation.mini_wordnet import write_mini_wordnet


@pytest.fixture
def mini(tmp_path):
    return write_mini_wordnet(tmp_path / "wordnet")


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """A machine without WordNet; returns a folder where nltk looks."""
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "debian")
    (tmp_path / "nltk_data" / "corpora").mkdir(parents=True)
    return tmp_path / "nltk_data" / "corpora"


@pytest.mark.parametrize(
    ("word", "synonyms"),
    [
        ("car", {"car", "auto"}),
        ("cars", {"car", "auto"}),
        ("mice", {"mouse", "rodent"}),
        ("made", {"make", "create", "build"}),
        ("building", {"make", "create", "build"}),
        ("scared", {"afraid", "scared"}),
        ("smaller", {"small", "little", "wee"}),
        ("acid", {"acid", "sour", "etch"}),
        ("capital", {"Paris", "capital"}),
        ("quickly", {"quickly", "fast"}),
        ("##ene", set()),
        ("s", set()),
        ("", set()),
    ],
)
def test_synonyms_by_hand(mini, word, synonyms):
    assert wordnet_in(mini).synonyms(word) == synonyms


def test_version_is_read_from_the_files(mini):
    assert wordnet_in(mini).version == "3.0"


def test_machine_without_wordnet_has_none(bare_machine):
    assert find_wordnet() is None


def test_folder_of_nltk_is_found(bare_machine):
    write_mini_wordnet(bare_machine / "wordnet")
    assert find_wordnet().synonyms("car") == {"car", "auto"}


def test_zip_of_nltk_is_found(bare_machine, mini):
    with ZipFile(bare_machine / "wordnet.zip", "w") as archive:
        for file in mini.iterdir():
            archive.write(file, f"wordnet/{file.name}")
    assert find_wordnet().synonyms("car") == {"car", "auto"}


def test_debians_folder_is_found(bare_machine, tmp_path):
    write_mini_wordnet(tmp_path / "debian")
    assert find_wordnet().synonyms("car") == {"car", "auto"}


@pytest.mark.parametrize("content", ["not a zip", ""])
def test_incomplete_places_are_passed_over(bare_machine, content):
    (write_mini_wordnet(bare_machine / "wordnet") / "data.verb").unlink()
    (bare_machine / "wordnet.zip").write_text(content)
    assert find_wordnet() is None


def test_lexnames_are_45_numbered_files():
    rows = [line.split("\t") for line in lexnames_table().splitlines()]
    assert [row[0] for row in rows] == [f"{number:02d}" for number in range(45)]
    assert rows[0][1:] == ["adj.all", "3"] and rows[2][1:] == ["adv.all", "4"] and rows[44][1:] == ["adj.ppl", "3"]
    assert rows[3][1:] == ["noun.Tops", "1"] and rows[28][1:] == ["noun.time", "1"]
    assert rows[29][1:] == ["verb.body", "2"] and rows[43][1:] == ["verb.weather", "2"]
    assert len(set(LEXNAMES)) == 45


def test_nltk_reads_the_laid_out_copy(bare_machine, mini, tmp_path, monkeypatch):
    data = lay_out_for_nltk(tmp_path / "cache", source=mini)
    monkeypatch.setattr(nltk.data, "path", [str(data)])
    with pytest.warns(UserWarning, match="multilingual"):
        reader = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
    assert {lemma.name() for synset in reader.synsets("cars") for lemma in synset.lemmas()} == {
        "car",
        "auto",
        "motor_car",
    }


def test_layout_is_made_once(mini, tmp_path):
    copy = lay_out_for_nltk(tmp_path / "cache", source=mini) / "corpora" / "wordnet" / "data.noun"
    os.utime(copy, (1, 1))
    lay_out_for_nltk(tmp_path / "cache", source=mini)
    assert copy.stat().st_mtime == 1


def test_layout_goes_to_the_users_cache(mini, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert lay_out_for_nltk(source=mini) == tmp_path / "home" / "scimind" / "nltk_data"


def test_layout_needs_the_sense_index(mini, tmp_path):
    (mini / "index.sense").unlink()
    with pytest.raises(InputError, match=r"lacks index.sense.*wordnet-sense-index"):
        lay_out_for_nltk(tmp_path / "cache", source=mini)

"""Synonyms from WordNet's own database files (format: manual page wndb(5WN)), read word by word as they are needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from zipfile import ZipFile, is_zipfile

# Where Debian's package wordnet-base keeps the database.
DEBIAN_FOLDER = Path("/usr/share/wordnet")

# Rules of detachment, manual page morphy(7WN): an inflected ending and what the base form has in its place.
_ENDINGS = {
    "noun": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "adj": "er: est: er:e est:e",
    "adv": "",
}
_FILES = [name for part in _ENDINGS for name in (f"index.{part}", f"data.{part}", f"{part}.exc")]

Read = Callable[[str], bytes]


class WordNet:
    """The database.

    Args:
        read: file name (`index.noun`, ...) -> its content.
    """

    def __init__(self, read: Read) -> None:
        self._parts = [_PartOfSpeech(part, read) for part in _ENDINGS]
        self._known: dict[str, frozenset[str]] = {}
        header = re.search(rb"WordNet (\d[\d.]*\+?) Copyright", read("data.adj")[:4096])
        self.version = header.group(1).decode() if header else "unknown"

    def synonyms(self, word: str) -> frozenset[str]:
        """All single words that share a meaning with a word or with one of its base forms, itself included.

        Args:
            word: in lower case, as it stands in a text.

        Returns:
            The words as WordNet spells them; none for a word that it does not know.
        """
        known = self._known.get(word)
        if known is None:
            names = (name for part in self._parts for name in part.names(word))
            known = self._known[word] = frozenset(name for name in names if "_" not in name)
        return known


class _PartOfSpeech:
    def __init__(self, part: str, read: Read) -> None:
        self._endings = [tuple(rule.split(":")) for rule in _ENDINGS[part].split()]
        entries = (line for line in read(f"index.{part}").decode().split("\n") if line and line[0] != " ")
        self._index = {line[: line.index(" ")]: line for line in entries}
        irregular = (line.split() for line in read(f"{part}.exc").decode().split("\n") if line)
        self._irregular = {form: bases for form, *bases in irregular}
        self._data = read(f"data.{part}")

    def names(self, word: str) -> Iterator[str]:
        """The words of every synset of a word and of its base forms."""
        for form in [word, *self._base_forms(word)]:
            if entry := self._index.get(form):
                fields = entry.split()
                for offset in fields[-int(fields[2]) :]:
                    yield from self._names_at(int(offset))

    def _base_forms(self, word: str) -> list[str]:
        if word in self._irregular:
            return self._irregular[word]
        return [word.removesuffix(old) + new for old, new in self._endings if word.endswith(old)]

    def _names_at(self, offset: int) -> list[str]:
        # Offset, file number, kind, number of words (hexadecimal), then word and sense number by turns.
        fields = self._data[offset : self._data.index(b"\n", offset)].decode().split()
        return [_without_marker(name) for name in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]


def find_wordnet() -> WordNet | None:
    """The WordNet of this machine: in nltk's data folders (folder or zip), else Debian's. None where there is none."""
    import nltk.data

    roots = [Path(root) / "corpora" for root in nltk.data.path if root]
    places = [root / "wordnet" for root in roots] + [root / "wordnet.zip" for root in roots] + [DEBIAN_FOLDER]
    return next((_open(place) for place in places if _is_complete(place)), None)


def wordnet_in(folder: Path) -> WordNet:
    """The WordNet whose database files lie in a folder."""
    return _open(folder)


@cache
def _open(place: Path) -> WordNet:
    if place.is_dir():
        return WordNet(lambda name: (place / name).read_bytes())
    with ZipFile(place) as archive:
        return WordNet(lambda name: archive.read(f"wordnet/{name}"))


def _is_complete(place: Path) -> bool:
    if is_zipfile(place):
        with ZipFile(place) as archive:
            return {f"wordnet/{name}" for name in _FILES} <= set(archive.namelist())
    return all((place / name).is_file() for name in _FILES)


def _without_marker(name: str) -> str:
    # Adjectives may carry where they can stand: `afraid(p)`.
    return name[: name.index("(")] if name.endswith(")") and "(" in name else name

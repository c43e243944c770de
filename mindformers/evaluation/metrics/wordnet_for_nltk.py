"""Debian's WordNet where nltk's own reader finds it, so that nltk's METEOR can be run beside ours without a download.

Our METEOR does not need this: it reads Debian's files where they lie.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mindformers.evaluation.metrics.wordnet import DEBIAN_FOLDER
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_folder, write_text

_PARTS = ("noun", "verb", "adj", "adv")
_COPIED = [name for part in _PARTS for name in (f"index.{part}", f"data.{part}", f"{part}.exc")]
_COPIED += ["index.sense", "cntlist.rev"]

# WordNet's lexicographer files in the order of their numbers, manual page lexnames(5WN); Debian ships no such table.
_NOUNS = (
    "Tops act animal artifact attribute body cognition communication event feeling food group location motive object"
    " person phenomenon plant possession process quantity relation shape state substance time"
)
_VERBS = (
    "body change cognition communication competition consumption contact creation emotion motion perception possession"
    " social stative weather"
)
LEXNAMES = [
    *("adj.all", "adj.pert", "adv.all"),
    *(f"noun.{name}" for name in _NOUNS.split()),
    *(f"verb.{name}" for name in _VERBS.split()),
    "adj.ppl",
]


def lay_out_for_nltk(cache: str | Path | None = None, source: str | Path = DEBIAN_FOLDER) -> Path:
    """Copy WordNet as nltk's `corpora/wordnet`, with the `lexnames` table; nothing is copied a second time.

    Args:
        cache: the data folder to make; by default `scimind/nltk_data` in the user's cache folder.
        source: the folder with WordNet's database files.

    Returns:
        The data folder, to be put into `nltk.data.path`.

    Raises:
        InputError: `source` lacks a file that nltk reads.
    """
    data = Path(cache) if cache is not None else _user_cache() / "scimind" / "nltk_data"
    target = data / "corpora" / "wordnet"
    missing = [name for name in _COPIED if not (Path(source) / name).is_file()]
    if missing and not _is_laid_out(target):
        packages = "install Debian's wordnet-base and wordnet-sense-index"
        raise InputError("WordNet", f"'{source}' lacks {', '.join(missing)}", "WordNet's database files", packages)
    if not _is_laid_out(target):
        with replaced_folder(target) as beside:
            for name in _COPIED:
                shutil.copyfile(Path(source) / name, beside / name)
            write_text(beside / "lexnames", lexnames_table())
    return data


def lexnames_table() -> str:
    """The file `lexnames`: number, name and part of speech (1 noun, 2 verb, 3 adjective, 4 adverb) of 45 files."""
    rows = enumerate(LEXNAMES)
    return "".join(f"{number:02d}\t{name}\t{_PARTS.index(name.split('.')[0]) + 1}\n" for number, name in rows)


def _is_laid_out(target: Path) -> bool:
    return all((target / name).is_file() for name in [*_COPIED, "lexnames"])


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")

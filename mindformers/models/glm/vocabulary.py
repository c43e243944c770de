"""The two vocabularies of ChatGLM-6B, told apart by the rows of the word table.

Both have the same pieces of text and the same special tokens behind them; the early release has 20,000 rows for images
in front, which moves every id up.

    rows      [ images ] [ text pieces and special tokens ] [ filled up ]
    130,528        0       [MASK] 130000  sop 130004  pad 3
    150,528   20,000       [MASK] 150000  sop 150004  pad 20003
"""

from __future__ import annotations

from collections.abc import Mapping

from mindformers.tools.errors import InputError

NUM_IMAGE_TOKENS = 20000
ROWS, EARLY_ROWS = 130528, 150528
_IDS = {
    "bos_token_id": 130004,
    "eos_token_id": 130005,
    "mask_token_id": 130000,
    "gmask_token_id": 130001,
    "pad_token_id": 3,
}
ID_NAMES: tuple[str, ...] = tuple(_IDS)
_RELEASES = {ROWS: "the vocabulary of the present release", EARLY_ROWS: "the early vocabulary"}


def num_image_tokens(rows: int | None) -> int:
    """How far a word table of so many rows moves every id up; 0 for any but the early one."""
    return NUM_IMAGE_TOKENS if rows == EARLY_ROWS else 0


def is_published(rows: int | None) -> bool:
    """Whether a word table of so many rows is one of the two published ones."""
    return rows in _RELEASES


def special_ids(rows: int, given: Mapping[str, int | None], where: str = "model.model_config") -> dict[str, int]:
    """The ids that steer the model.

    Args:
        rows: of the word table, V.
        given: those that are known, by the names in `ID_NAMES`; None for one that is not.
        where: the section that they stand in, for messages.

    Raises:
        InputError: an id of the one vocabulary beside the rows of the other, an id outside the table, or one that is
            not given where the rows are of neither release.
    """
    known = {name: value + num_image_tokens(rows) for name, value in _IDS.items()} if is_published(rows) else {}
    found = {}
    for name in ID_NAMES:
        value = given.get(name)
        if value is None and name not in known:
            raise InputError(f"{where}.{name}", "is missing", "an id", f"add it: {rows} rows are of neither release")
        if value is not None and name in known and value != known[name]:
            raise _mixed(f"{where}.{name}", value, rows, known[name])
        found[name] = known[name] if value is None else value
        if not 0 <= found[name] < rows:
            raise InputError(f"{where}.{name}", str(found[name]), f"0 to {rows - 1}", "correct the id")
    return found


def check_rows(what: str, found: int, wanted: int) -> None:
    """Raises InputError, with the reason, where a word table has other rows than what is used with it."""
    if found == wanted:
        return
    if is_published(found) and is_published(wanted):
        got = f"{found} rows, {_RELEASES[found]}, with {wanted} rows, {_RELEASES[wanted]}"
        expected = f"one of the two throughout: their ids are {NUM_IMAGE_TOKENS} apart"
        raise InputError(what, got, expected, "leave vocab_size and the ids out: they follow from the weights")
    raise InputError(what, f"{found} rows", f"{wanted}", "correct model.model_config.vocab_size")


def _mixed(key: str, value: int, rows: int, wanted: int) -> InputError:
    got = f"{value} with {rows} rows, which are {_RELEASES[rows]}"
    expected = f"{wanted}: the ids of the two vocabularies are {NUM_IMAGE_TOKENS} apart"
    return InputError(key, got, expected, "leave the ids out: they follow from vocab_size")

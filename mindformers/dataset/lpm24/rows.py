"""A row of a source, and the checks that it must pass to be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mindformers.dataset.example import BadRow
from mindformers.modalities import MOLECULE, split_spans
from mindformers.tools.errors import InputError

FIELDS = ("molecule", "caption", "properties")
_ALPHABET = frozenset(MOLECULE.alphabet)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source.

    Args:
        file: name of the source file.
        line: line or record in it, from 1.
        molecule: SMILES; empty in a list of descriptions alone.
        caption: its description on one line; empty where it is to be made from the properties, or is not known.
        properties: the property set, sorted; empty where the source gives only a caption.
    """

    file: str
    line: int
    molecule: str = ""
    caption: str = ""
    properties: tuple[str, ...] = ()

    @property
    def is_training(self) -> bool:
        """Whether the row says something about its molecule; otherwise it is a question of an evaluation set."""
        return bool(self.molecule and (self.caption or self.properties))


def row_of_fields(file: str, line: int, fields: Any) -> Row | BadRow:
    """A row from the named fields of a table or JSON object. A field that is there must not be empty."""
    if not isinstance(fields, dict):
        return BadRow(file, line, f"expected an object with 'molecule' and 'caption', got a {type(fields).__name__}")
    if "molecule" not in fields and "caption" not in fields:
        return BadRow(file, line, "neither 'molecule' nor 'caption'")
    for name in ("molecule", "caption"):
        value = fields.get(name, "present")
        if not isinstance(value, str) or not value.strip():
            return BadRow(file, line, f"'{name}' is empty or not a string")
    properties = fields.get("properties") or []
    if not isinstance(properties, list) or not all(isinstance(name, str) and name.strip() for name in properties):
        return BadRow(file, line, "'properties' is not a list of names")
    molecule, caption = fields.get("molecule", "").strip(), one_line(fields.get("caption", ""))
    return Row(file, line, molecule, caption, tuple(sorted(set(properties))))


def checked(row: Row) -> Row | BadRow:
    """The row if its molecule and caption can be tokenized, else a BadRow that says which character cannot."""
    reason = _molecule_fault(row.molecule) or _caption_fault(row.caption)
    return BadRow(row.file, row.line, reason) if reason else row


def _molecule_fault(smiles: str) -> str:
    if _ALPHABET.issuperset(smiles):
        return ""
    position = next(i for i, character in enumerate(smiles) if character not in _ALPHABET)
    return f"character {smiles[position]!r} at position {position} of the molecule is not in the alphabet"


def _caption_fault(caption: str) -> str:
    if "<" not in caption and "|" not in caption:
        return ""
    try:
        split_spans(caption)
    except InputError as error:
        return f"caption: {error.line()}"
    return ""


def one_line(text: str) -> str:
    """Text with every run of white space as one blank: a caption must fit one line and one column."""
    return " ".join(text.split())

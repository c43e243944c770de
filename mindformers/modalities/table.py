"""THE table of modalities. A new modality is one more row, appended at the end: ids are append-only.

Source of tokens, order and expert counts: Xiong et al. 2024 (2024.langmol-1.8) and its published vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

from mindformers.tools.errors import unknown_name


@dataclass(frozen=True)
class Modality:
    """One modality.

    Args:
        name: the name used in recipes and reports.
        tags: names of the tags that mark a sequence in a prompt, e.g. `<dna>...</dna>`; the first is the usual one.
        opening, closing: what stands around a character in the written form of its token, e.g. `{|` and `|}`.
        alphabet: the characters that have a token, in the order of their ids; empty for text.
        top_k: default number of experts, of 16, that a token of this modality may use.
    """

    name: str
    tags: tuple[str, ...]
    opening: str
    closing: str
    alphabet: str
    top_k: int

    def token(self, character: str) -> str:
        """The written form of a character's token: `C` -> `{|C|}`."""
        return f"{self.opening}{character}{self.closing}"

    def tag_for(self, sequence: str) -> str:
        """The tag to print around a sequence: of a nucleotide's two, `rna` where there is a U and no T."""
        if self.name == "nucleotide" and "U" in sequence and "T" not in sequence:
            return "rna"
        return self.tags[0]


TEXT = Modality("text", (), "", "", "", top_k=14)
MOLECULE = Modality(
    "molecule",
    ("molecule",),
    "{|",
    "|}",
    "C1(Oc2)N=#3.ln-sS[@H]/\\oA+456BrIM0dFGeiTP7aK89ugUR%htWDyZbELfYVXpm",
    top_k=2,
)
NUCLEOTIDE = Modality("nucleotide", ("dna", "rna"), "*|", "|*", "GACTU", top_k=2)
PROTEIN = Modality("protein", ("protein",), "<|", "|>", "LAGVSERTIDPKQNFYMHWCXBUZO.-", top_k=2)

MODALITIES: tuple[Modality, ...] = (TEXT, MOLECULE, NUCLEOTIDE, PROTEIN)


def modality_named(name: str, what: str = "modality") -> Modality:
    """The row called `name`. Raises InputError, naming `what`, where there is none."""
    for row in MODALITIES:
        if row.name == name:
            return row
    raise unknown_name(what, name, [row.name for row in MODALITIES])

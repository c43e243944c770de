"""Captions in many phrasings: every choice of a caption is dealt on its own.

Dealt are the order of the kinds, the order of the names of a kind, the frame of each sentence, the name of the molecule
in the first sentence and the link to it in each of the others: thousands of captions for a set of a few properties,
each of which names them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from mindformers.dataset.lpm24.properties import Kind, kind_of, listed_names
from mindformers.dataset.stable import stable_number

T = TypeVar("T")

_SUBJECTS = (
    *("This molecule", "The molecule", "The compound", "This compound", "This substance", "The substance shown"),
    *("Here we have a molecule that", "According to its record, this substance", "The structure belongs to one that"),
    *("What is drawn here", "The given molecule", "In the literature, this compound"),
)
_LINKS = (
    *("It", "It also", "The molecule", "The compound also", "Besides, it", "In addition, it", "The substance further"),
    *(
        "The same molecule",
        "On top of that, it",
        "As far as is known, it",
        "Its record also says that it",
        "Moreover, it",
    ),
)
_FRAMES: dict[Kind, tuple[str, ...]] = {
    Kind.ROLE: (
        *("is known to serve as {} in biology or industry", "is used or found in nature as {}", "fills the part of {}"),
        *("functions as {}", "acts as {}", "is described as {}", "plays the role of {}", "is counted as {}"),
    ),
    Kind.PROCESS: (
        *("takes part in {} within the cell", "contributes to {} in living cells", "is involved in {}", "supports {}"),
        *("has a hand in {}", "is needed for {}", "bears a part in {}", "is linked with {} in the body"),
    ),
    Kind.ACTION: (
        *("acts on its molecular target in the body as {}", "works by binding its target, as {}", "operates as {}"),
        *("behaves towards its target like {}", "has the mechanism of {}", "is classed by its action as {}"),
        *("meets its target as {}", "exerts its effect as {}"),
    ),
    Kind.QUALITY: (
        *("has a reported activity in biological tests that is {}", "was found in tests to be {}", "counts as {}"),
        *("shows a profile described as {}", "is said to be {}", "proved to be {}", "has effects that are {}"),
        "is characterised as {}",
    ),
    Kind.TREATMENT: (
        *("belongs to the compounds that have been considered for {}", "is a candidate for {}", "is meant for {}"),
        *("finds its purpose in {}", "has been proposed for {}", "is of use in {}", "was studied with a view to {}"),
        "is named in connection with {}",
    ),
    Kind.CONDITION: (
        *("influences the course of conditions that include {}", "is connected with {}", "bears on {}"),
        *("plays into {}", "has an influence on {}", "matters in {}", "has been associated with {}", "touches {}"),
    ),
    Kind.EVALUATION: (
        *("comes with reference data that are taken from {}", "was examined in {}", "carries the records of {}"),
        *("has been put through {}", "was subject to {}", "has been through {}", "passed through {}"),
        "is documented by {}",
    ),
    Kind.SENSE: (
        *("leaves an impression on smell or taste described as {}", "smells or tastes with notes of {}"),
        *("is perceived by nose and tongue as {}", "has an aroma or flavour called {}", "reminds the nose of {}"),
        *("gives a sensory note of {}", "is recognised by notes of {}", "has a scent or taste listed as {}"),
    ),
    Kind.MATERIAL: (
        *("is of interest as a functional material, indexed under {}", "is made for technical use and labelled {}"),
        *("suits the making of materials described as {}", "is a technical material, filed under {}"),
        *("serves technology under the heading {}", "is sought after for devices, with the keyword {}"),
        *("has technical properties summed up as {}", "is found among materials listed as {}"),
    ),
    Kind.TERM: (
        *("is further indexed in the literature under {}", "is also listed under {}", "goes with the label {}"),
        *("falls under {}", "bears the keyword {}", "is filed under {}", "has the entry {}", "is tagged with {}"),
    ),
}


def varied_caption(properties: Sequence[str], smiles: str, seed: int, number: int = 0) -> str:
    """The caption of a non-empty property set, dealt by molecule, seed and number.

    Args:
        properties: property names as published; their order does not matter.
        smiles: the molecule.
        seed: another seed deals otherwise.
        number: which of several captions of the same molecule, from 0.

    Returns:
        One or more sentences on one line, which name every property.
    """
    hand = _Dealer(f"{smiles}\n{number}", seed)
    ordered = sorted(set(properties), key=lambda name: (kind_of(name), name.lower(), name))
    kinds = [(kind, hand.shuffled(list(names))) for kind, names in groupby(ordered, key=kind_of)]
    sentences = []
    for kind, names in hand.shuffled(kinds):
        beginning = hand.one(_LINKS if sentences else _SUBJECTS)
        sentences.append(f"{beginning} {hand.one(_FRAMES[kind]).format(listed_names(kind, names))}.")
    return " ".join(sentences)


class _Dealer:
    """Choices in a row, each a function of the text, the seed and its place in the row."""

    def __init__(self, text: str, seed: int) -> None:
        self._text, self._seed, self._place = text, seed, 0

    def one(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self._number() % len(options)]

    def shuffled(self, items: list[T]) -> list[T]:
        """The items in another order."""
        rest = list(items)
        return [rest.pop(self._number() % len(rest)) for _ in items]

    def _number(self) -> int:
        self._place += 1
        return stable_number("phrasing", self._seed, f"{self._text}\n{self._place}")

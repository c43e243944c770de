"""Captions from property sets: four ways of wording, one sentence for each kind of property.

{'kinase inhibitor', 'cancer treatment'} -> ACTION: kinase inhibitor; TREATMENT: cancer treatment
  -> "The compound works by binding its target, as a kinase inhibitor. It is a candidate for cancer treatment."
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from mindformers.dataset.lpm24.properties import Kind, kind_of, listed_names
from mindformers.dataset.stable import stable_number

# Each wording: how the molecule is called in the first sentence, then what is said of it for every kind.
_WORDINGS: tuple[tuple[str, dict[Kind, str]], ...] = (
    (
        "This molecule",
        {
            Kind.ROLE: "is known to serve as {} in biology or industry",
            Kind.PROCESS: "takes part in {} within the cell",
            Kind.ACTION: "acts on its molecular target in the body as {}",
            Kind.QUALITY: "has a reported activity in biological tests that is {}",
            Kind.TREATMENT: "belongs to the compounds that have been considered for {}",
            Kind.CONDITION: "influences the course of conditions that include {}",
            Kind.EVALUATION: "comes with reference data that are taken from {}",
            Kind.SENSE: "leaves an impression on smell or taste described as {}",
            Kind.MATERIAL: "is of interest as a functional material, indexed under {}",
            Kind.TERM: "is further indexed in the literature under {}",
        },
    ),
    (
        "The compound",
        {
            Kind.ROLE: "is used or found in nature as {}",
            Kind.PROCESS: "contributes to {} in living cells",
            Kind.ACTION: "works by binding its target, as {}",
            Kind.QUALITY: "was found in tests to be {}",
            Kind.TREATMENT: "is a candidate for {}",
            Kind.CONDITION: "is connected with {}",
            Kind.EVALUATION: "was examined in {}",
            Kind.SENSE: "smells or tastes with notes of {}",
            Kind.MATERIAL: "is made for technical use and labelled {}",
            Kind.TERM: "is also listed under {}",
        },
    ),
    (
        "Here we have a molecule that",
        {
            Kind.ROLE: "fills the part of {}",
            Kind.PROCESS: "is involved in {}",
            Kind.ACTION: "behaves towards its target like {}",
            Kind.QUALITY: "shows a profile described as {}",
            Kind.TREATMENT: "finds its purpose in {}",
            Kind.CONDITION: "bears on {}",
            Kind.EVALUATION: "carries the records of {}",
            Kind.SENSE: "is perceived by nose and tongue as {}",
            Kind.MATERIAL: "suits the making of materials described as {}",
            Kind.TERM: "goes with the label {}",
        },
    ),
    (
        "According to its record, this substance",
        {
            Kind.ROLE: "functions as {}",
            Kind.PROCESS: "supports {}",
            Kind.ACTION: "operates as {}",
            Kind.QUALITY: "counts as {}",
            Kind.TREATMENT: "is meant for {}",
            Kind.CONDITION: "plays into {}",
            Kind.EVALUATION: "has been put through {}",
            Kind.SENSE: "has an aroma or flavour called {}",
            Kind.MATERIAL: "is a technical material, filed under {}",
            Kind.TERM: "falls under {}",
        },
    ),
)
# How often, in ten molecules, each wording is used: mostly the first, so that the set decides most of the words.
_WORDING_OF_TEN = (0, 0, 0, 0, 0, 0, 0, 1, 2, 3)


def caption_of(properties: Iterable[str], smiles: str, seed: int = 0) -> str:
    """The caption of a molecule.

    Args:
        properties: its property names as published, at least one; their order does not matter.
        smiles: the molecule. Together with `seed` it chooses one of the four wordings and nothing else.
        seed: another seed deals the wordings differently.

    Returns:
        One or more sentences on one line. Within one wording different sets give different captions.
    """
    wording = _WORDING_OF_TEN[stable_number("wording", seed, smiles) % len(_WORDING_OF_TEN)]
    return worded_caption(tuple(sorted(properties)), wording)


@lru_cache(maxsize=65536)
def worded_caption(properties: tuple[str, ...], wording: int) -> str:
    """The caption of a non-empty property set in wording 0 to 3, its kinds in order and the names of each sorted."""
    subject, frames = _WORDINGS[wording]
    ordered = sorted(properties, key=lambda name: (kind_of(name), name.lower(), name))
    sentences = []
    for kind, names in groupby(ordered, key=kind_of):
        sentences.append(f"{'It' if sentences else subject} {frames[kind].format(listed_names(kind, names))}.")
    return " ".join(sentences)

from collections import Counter
from itertools import chain, combinations

import pytest

from mindformers.dataset.lpm24.captions import caption_of, worded_caption
from mindformers.dataset.lpm24.properties import readable

NAMES = (
    "nutrient",
    "Energy storage",
    "kinase inhibitor",
    "anti viral",
    "cancer treatment",
    "Obesity",
    "Odor_evaluation",
    "fruity",
    "fluorescent",
    "modulate",
)


def test_one_sentence_a_kind_in_fixed_order() -> None:
    properties = ("Obesity", "kinase inhibitor", "Energy source", "nutrient", "Aging")
    assert worded_caption(properties, 0) == (
        "This molecule is known to serve as an energy source and a nutrient in biology or industry. "
        "It acts on its molecular target in the body as a kinase inhibitor. "
        "It influences the course of conditions that include aging and obesity."
    )


@pytest.mark.parametrize("wording", range(4))
def test_every_wording_names_every_property(wording: int) -> None:
    caption = worded_caption(NAMES, wording)
    assert all(readable(name) in caption for name in NAMES)
    assert "{" not in caption
    assert caption.count(".") == len(NAMES)


@pytest.mark.parametrize("wording", range(4))
def test_different_sets_have_different_captions(wording: int) -> None:
    sets = list(chain.from_iterable(combinations(NAMES, size) for size in range(1, len(NAMES) + 1)))
    assert len({worded_caption(names, wording) for names in sets}) == len(sets) == 1023


def test_order_of_properties_does_not_matter() -> None:
    assert caption_of(NAMES, "CCO", seed=3) == caption_of(reversed(NAMES), "CCO", seed=3)


def test_names_that_differ_in_case_stay_apart() -> None:
    assert worded_caption(("hepatitis B treatment",), 0) != worded_caption(("hepatitis b treatment",), 0)


def test_molecule_and_seed_choose_among_four_wordings_mostly_the_first() -> None:
    molecules = ["C" * length for length in range(1, 401)]
    counts = Counter(caption_of({"nutrient"}, smiles) for smiles in molecules)
    assert set(counts) == {worded_caption(("nutrient",), wording) for wording in range(4)}
    assert 240 <= counts[worded_caption(("nutrient",), 0)] <= 320
    other_seed = [caption_of({"nutrient"}, smiles, seed=1) for smiles in molecules]
    assert other_seed != [caption_of({"nutrient"}, smiles) for smiles in molecules]

from collections import Counter
from string import Formatter

import pytest

from mindformers.dataset.lpm24.phrasings import _FRAMES, varied_caption
from mindformers.dataset.lpm24.properties import Kind, readable
from tests.dataset.lpm24.test_captions import NAMES


@pytest.mark.parametrize("number", range(8))
def test_every_caption_names_every_property(number: int) -> None:
    caption = varied_caption(NAMES, "CCO", 0, number)
    assert all(readable(name) in caption for name in NAMES)
    assert caption.count(".") == len(NAMES) and "{" not in caption and "\n" not in caption


def test_molecule_seed_and_number_deal_and_nothing_else() -> None:
    assert varied_caption(NAMES, "CCO", 3) == varied_caption(NAMES[::-1], "CCO", 3)
    dealt = {varied_caption(NAMES, smiles, seed, n) for smiles in ("C", "O") for seed in (0, 1) for n in (0, 1)}
    assert len(dealt) == 8


def test_a_set_of_three_has_hundreds_of_captions_none_frequent() -> None:
    captions = Counter(varied_caption(("nutrient", "Obesity", "anti viral"), "C" * n, 0) for n in range(1, 501))
    assert len(captions) > 480 and max(captions.values()) <= 3


def test_every_kind_has_eight_frames_with_one_place() -> None:
    assert set(_FRAMES) == set(Kind)
    for frames in _FRAMES.values():
        assert len(set(frames)) == len(frames) == 8
        assert all([name for _, name, _, _ in Formatter().parse(frame) if name is not None] == [""] for frame in frames)

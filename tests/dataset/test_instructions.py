"""The instructions of the two molecule tasks."""

from __future__ import annotations

import pytest

from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS
from mindformers.modalities import split_spans


@pytest.mark.parametrize("instruction", CAPTION_INSTRUCTIONS)
def test_a_molecule_is_tagged(instruction: str) -> None:
    molecules = [s.sequence for s in split_spans(instruction.format("CCO")) if s.modality.name == "molecule"]
    assert molecules == ["CCO"]


@pytest.mark.parametrize("instruction", MOLGEN_INSTRUCTIONS)
def test_a_description_stands_in_plain_text(instruction: str) -> None:
    assert instruction.count("{}") == 1 and "It is toxic." in instruction.format("It is toxic.")

"""Which parts LLaMA can be cut into."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mindformers.models import cutting_obstacle
from mindformers.models.llama.cutting import cuts_of
from mindformers.models.llama.names import weight_shapes
from tests.models.tiny import tiny_config

ARCH = "LlamaForCausalLM"


@pytest.mark.parametrize(
    ("changes", "parts", "found"),
    [
        ({}, 1, ""),
        ({}, 4, ""),
        ({}, 8, "a divisor of num_heads 4"),
        ({"n_kv_heads": 2}, 4, "a divisor of n_kv_heads 2"),
        ({"intermediate_size": 96}, 4, "a divisor of the 6 neurons of an expert"),
        ({"intermediate_size": 96, "experts": None}, 4, ""),
    ],
)
def test_what_stands_in_the_way(changes: dict[str, Any], parts: int, found: str) -> None:
    assert cutting_obstacle(ARCH, tiny_config(**changes), parts) == found


def test_a_network_without_a_plan_stays_whole() -> None:
    assert cutting_obstacle("Another", None, 1) == ""
    assert cutting_obstacle("Another", None, 2) == "1, as Another has no plan for more"


def test_every_matrix_is_cut_by_one_pattern_and_no_vector() -> None:
    config = tiny_config()
    for name, shape in weight_shapes(config).items():
        assert sum(bool(re.fullmatch(pattern, name)) for pattern in cuts_of(config)) == (len(shape) == 2), name

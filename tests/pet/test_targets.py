"""Patterns mean whole names, and never nothing."""

from __future__ import annotations

import pytest

from mindformers.pet.targets import matching
from mindformers.tools.errors import InputError

NAMES = [f"model.layers.{i}.{part}" for i in range(12) for part in ("attention.wq", "attention.wv", "feed_forward.w1")]
NAMES += ["lm_head"]
KEY = "pet_config.target_modules"


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        (".*wq|.*wv", 24),
        (".*w[qv]", 24),
        (r".*\.(wq|wv)", 24),
        (r"model\.layers\.1\..*wq", 1),
        ("lm_head", 1),
        (".*", 37),
        (["wq", "lm_head"], 13),
        (["attention.wq"], 12),
        (["model.layers.3.attention.wq"], 1),
    ],
)
def test_a_pattern_means_whole_names(pattern: str | list[str], count: int) -> None:
    assert len(matching(NAMES, pattern, KEY)) == count


def test_the_order_is_that_of_the_network() -> None:
    assert matching(NAMES, ["wv", "wq"], KEY)[:2] == ["model.layers.0.attention.wq", "model.layers.0.attention.wv"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (".*wx", "'.*wx' matches nothing"),
        ("wq", "'wq' matches nothing; expected the name of a linear layer such as 'model.layers.0.attention.wq'; "),
        (".*wq|.*query", "'.*query' matches nothing"),
        (".*lm_haed", "did you mean '.*lm_head'?"),
        (["wq", "w7"], "there are: wq, wv, w1, lm_head"),
        (".*(wq", "is broken"),
        (".*wq|", "'' matches nothing"),
        ("", "is empty"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(pattern: str | list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        matching(NAMES, pattern, KEY)
    assert caught.value.line().startswith(KEY)
    assert said in caught.value.line()

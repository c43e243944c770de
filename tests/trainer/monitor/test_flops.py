"""Operations counted by hand."""

from __future__ import annotations

import pytest

from mindformers.trainer.monitor import flops
from tests.models.tiny import TINY, tiny_net

D, F, L, S, V = (TINY[name] for name in ("hidden_size", "intermediate_size", "num_layers", "seq_length", "vocab_size"))
LAYERS = L * (4 * D * D + 3 * D * F)
ATTENTION = 12 * L * S * D


def test_a_weight_of_a_product_costs_six_and_a_lookup_nothing() -> None:
    assert flops.flops_per_position(tiny_net()) == 6 * (LAYERS + V * D) + ATTENTION


def test_a_tied_head_is_multiplied_too() -> None:
    assert flops.flops_per_position(tiny_net(tie_word_embeddings=True)) == 6 * (LAYERS + V * D) + ATTENTION


def test_a_frozen_weight_has_no_gradient() -> None:
    net = tiny_net()
    for parameter in net.model.layers.get_parameters():
        parameter.requires_grad = False
    assert flops.flops_per_position(net) == 4 * LAYERS + 6 * V * D + ATTENTION


def test_a_peak_that_is_given_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flops, "_measured_peak", lambda: 7.0)
    assert flops.peak_flops(0.5) == 5e11
    assert flops.peak_flops(None) == 7.0


def test_a_cpu_computes_something() -> None:
    assert 1e9 < flops.peak_flops(None) < 1e14

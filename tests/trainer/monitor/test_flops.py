"""Operations counted by hand."""

from __future__ import annotations

import pytest

from mindformers.trainer.monitor import flops
from mindformers.trainer.monitor.flops import Flops, Peak, flops_of
from tests.models.tiny import TINY, tiny_net

D, F, L, V = (TINY[name] for name in ("hidden_size", "intermediate_size", "num_layers", "vocab_size"))
LAYERS = L * (4 * D * D + 3 * D * F)
ATTENTION = 12 * L * D


def test_a_weight_of_a_product_costs_six_and_a_lookup_nothing() -> None:
    assert flops_of(tiny_net()) == Flops(6 * (LAYERS + V * D), ATTENTION)


def test_a_tied_head_is_multiplied_too() -> None:
    assert flops_of(tiny_net(tie_word_embeddings=True)) == Flops(6 * (LAYERS + V * D), ATTENTION)


def test_a_frozen_weight_has_no_gradient() -> None:
    net = tiny_net()
    for parameter in net.model.layers.get_parameters():
        parameter.requires_grad = False
    assert flops_of(net) == Flops(4 * LAYERS + 6 * V * D, ATTENTION)


def test_a_token_is_looked_at_by_those_of_its_row() -> None:
    assert Flops(100.0, 2.0).of(positions=30, length=10) == 30 * 100 + 30 * 10 * 2


def test_a_peak_that_is_given_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flops, "measured_peak", lambda: 7.0)
    assert (Peak(0.5, devices=2).flops, Peak(devices=2).flops) == (1e12, 14.0)
    assert Peak(0.5).share(1e12) == 2.0


def test_no_more_is_shown_than_the_device_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peak that was measured while others had the processor is measured again."""
    measured = iter([100.0, 400.0, 50.0])
    monkeypatch.setattr(flops, "measured_peak", lambda: next(measured))
    peak = Peak()
    assert [peak.share(reached) for reached in (50.0, 200.0, 300.0, 800.0)] == [0.5, 0.5, 0.75, 1.0]


def test_a_cpu_computes_something() -> None:
    assert 1e9 < Peak().flops < 1e14

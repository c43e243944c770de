"""Which cells compute their activations a second time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mindspore import nn

from mindformers.config.schema.recipe import Recipe
from mindformers.trainer.assembly import use_recompute
from tests.models.glm.networks import network
from tests.models.glm.reference import random_weights, small_config
from tests.models.tiny import tiny_net


def tiny_glm() -> nn.Cell:
    return network(small_config(), random_weights(small_config()))


@pytest.mark.parametrize(
    ("make", "layers"), [(tiny_net, lambda net: net.model.layers), (tiny_glm, lambda net: net.transformer.layers)]
)
def test_every_layer_does_where_memory_is_gained(
    make: Callable[[], nn.Cell], layers: Callable[[nn.Cell], nn.CellList], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[nn.Cell] = []
    monkeypatch.setattr(nn.Cell, "recompute", lambda self, **_: asked.append(self))
    net, recipe = make(), Recipe()
    for device, is_wanted, expected in (("Ascend", True, list(layers(net))), ("Ascend", False, []), ("CPU", True, [])):
        asked.clear()
        recipe.context.device_target, recipe.recompute_config.recompute = device, is_wanted
        use_recompute(recipe, net)
        assert asked == expected

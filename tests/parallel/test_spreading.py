"""A network takes memory for its own part alone, with the numbers that a whole one has."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore.nn.utils import no_init_parameters

from mindformers.models.llama.cutting import cuts_of
from mindformers.parallel.mesh import Mesh
from mindformers.parallel.spreading import Spread, cut_weights
from mindformers.pet.adapter import first_values, spread_beside
from mindformers.pet.lora_config import LoraConfig
from mindformers.trainer.spreading import draw
from tests.models.tiny import tiny_config, tiny_net

SEED = 3


@pytest.mark.parametrize("rank", [0, 1])
def test_a_part_is_drawn_as_it_is_in_the_whole(rank: int) -> None:
    config, mesh = tiny_config(), Mesh(1, 2, rank)
    with no_init_parameters():
        net = tiny_net(seed=None)
    assert any(p.has_init for p in net.get_parameters())  # nothing is there yet
    spread = Spread(cut_weights(net, cuts_of(config), mesh), mesh)
    draw(net, spread, SEED, config.initializer_range)
    whole = {p.name: p.asnumpy() for p in tiny_net(seed=SEED).get_parameters()}
    for parameter in net.get_parameters():
        part = spread.own(parameter.name, whole[parameter.name])
        np.testing.assert_array_equal(parameter.asnumpy(), part)
        assert (part.size < whole[parameter.name].size) == (part.ndim > 1)
        assert spread.shape(parameter) == whole[parameter.name].shape


def test_an_adapter_is_cut_as_its_network() -> None:
    config, mesh = tiny_config(), Mesh(1, 2, 1)
    with no_init_parameters():
        net = tiny_net(seed=None)
    base = Spread(cut_weights(net, cuts_of(config), mesh), mesh)
    shapes = LoraConfig(".*wq|.*wo").weight_shapes(base.layout.shapes, config.vocab_size, config.vocab_size - 5)
    spread = spread_beside(base, shapes)
    wq, wo = (f"model.layers.0.attention.{name}" for name in ("wq", "wo"))
    width = config.hidden_size
    own = {name: spread.own(name, first_values(name, shape, SEED)).shape for name, shape in shapes.items()}
    assert [own[f"{wq}.lora_{which}"] for which in "ab"] == [(8, width), (width // 2, 8)]
    assert [own[f"{wo}.lora_{which}"] for which in "ab"] == [(8, width // 2), (width, 8)]
    cut = {f"{wq}.lora_b", f"{wo}.lora_a"}
    of_layer_0 = {name for name in shapes if ".layers.0." in name}
    assert {name for name in of_layer_0 if spread.layout.is_cut(name)} == cut
    tables = {f"{name}.new_rows" for name in ("model.tok_embeddings.embedding_weight", "lm_head.weight")}
    assert spread.shared & (of_layer_0 | tables) == (of_layer_0 - cut) | tables

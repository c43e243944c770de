"""LoRA on a built network: cells are wrapped by name, everything else stands still."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindformers.kernels.routed_ffn import RoutedSwiGLU
from mindformers.modules.embedding import TokenEmbedding
from mindformers.modules.linear import Linear
from mindformers.pet.dropout import KeyedDropout, new_key, step_key
from mindformers.pet.lora import LoraLinear, NewRowsEmbedding, NewRowsHead, new_parameter
from mindformers.pet.lora_config import LoraConfig
from mindformers.pet.names import LORA_A, LORA_B, NEW_ROWS, cell_of


class Adapter:
    """What is trained beside a frozen network.

    The network's parameters keep their names and values, so a checkpoint of the base still loads into it. Without
    training it computes what it computed before: B and the additions to new rows begin at zero.

    Args:
        net: a network with `config.vocab_size`; its cells are wrapped in place.
        settings: what LoRA trains.
        base_vocab_size: tokens from this id on are new.
        seed: of A's random start and of the dropout.

    Raises:
        InputError: the settings mean nothing in this network.
    """

    def __init__(self, net: nn.Cell, settings: LoraConfig, base_vocab_size: int, seed: int) -> None:
        self.settings, self.seed = settings, seed
        shapes = settings.weight_shapes(base_shapes(net), net.config.vocab_size, base_vocab_size)
        freeze(net)
        self.weights = {name: new_parameter(first_values(name, shape, seed), name) for name, shape in shapes.items()}
        self.key = new_key() if settings.lora_dropout else None
        cells = dict(net.cells_and_names())
        for name in shapes:
            if name.endswith(LORA_A):
                self._wrap_linear(cells, name.removesuffix(LORA_A))
        cells = dict(net.cells_and_names())
        for name in shapes:
            if name.endswith(NEW_ROWS):
                self._wrap_table(cells, name)

    @property
    def parameters(self) -> list[Parameter]:
        """All that is trained."""
        return list(self.weights.values())

    def begin_step(self, step: int, part: int = 0) -> None:
        """Draw the dropout anew, as it always is for this step (and part of its batch) under this seed."""
        if self.key is not None:
            ops.assign(self.key, Tensor(step_key(self.seed, step, part)))

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the values of an adapter of the same names and shapes."""
        for name, parameter in self.weights.items():
            parameter.set_data(Tensor(arrays[name].astype(np.float32, copy=False)))

    def _wrap_linear(self, cells: Mapping[str, nn.Cell], name: str) -> None:
        settings, base = self.settings, cells[name]
        dropout = None
        if self.key is not None:
            dropout = KeyedDropout(settings.lora_dropout, self.key, base.in_features, self.seed, name)
        scale, keep = settings.lora_alpha / settings.lora_rank, 1.0 - settings.lora_dropout
        weights = self.weights[name + LORA_A], self.weights[name + LORA_B]
        replace(cells, name, LoraLinear(base, *weights, scale, dropout, keep))

    def _wrap_table(self, cells: Mapping[str, nn.Cell], name: str) -> None:
        cell = cell_of(name.removesuffix(NEW_ROWS))
        wrapper = NewRowsEmbedding if isinstance(cells[cell], TokenEmbedding) else NewRowsHead
        replace(cells, cell, wrapper(cells[cell], self.weights[name]))


def base_shapes(net: nn.Cell) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weights that an adapter can add to: linear layers and tables of tokens."""
    shapes = {}
    for _, cell in net.cells_and_names():
        if isinstance(cell, Linear | TokenEmbedding):
            weight = cell.weight if isinstance(cell, Linear) else cell.embedding_weight
            shapes[weight.name] = tuple(weight.shape)
    return shapes


def freeze(net: nn.Cell) -> None:
    """Nothing of a network is trained any more, nor are gradients of its experts computed."""
    for parameter in net.get_parameters():
        parameter.requires_grad = False
    for _, cell in net.cells_and_names():
        if isinstance(cell, RoutedSwiGLU):
            cell.freeze_weights()


def first_values(name: str, shape: Iterable[int], seed: int) -> np.ndarray:
    """A: evenly spread within 1 / sqrt(in) of zero, by seed and name alone; all else: zeros."""
    values = np.zeros(tuple(shape), np.float32)
    if name.endswith(LORA_A):
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        values += generator.uniform(-1.0, 1.0, values.shape) / np.sqrt(values.shape[1])
    return values


def replace(cells: Mapping[str, Any], name: str, cell: nn.Cell) -> None:
    """Put a cell in the place of another; native forms that read the weights past it are switched off."""
    parent, _, last = name.rpartition(".")
    cells[parent].insert_child_to_cell(last, cell)
    if getattr(cells[parent], "native", None) is not None:
        cells[parent].native = None

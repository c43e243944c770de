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
from mindformers.parallel.spreading import Spread
from mindformers.pet.dropout import KeyedDropout, new_key, random_columns, step_key
from mindformers.pet.lora import LoraLinear, NewRowsEmbedding, NewRowsHead, new_parameter
from mindformers.pet.lora_config import LoraConfig
from mindformers.pet.names import LORA_A, LORA_B, NEW_ROWS, base_weight_of, cell_of, is_cut_beside


class Adapter:
    """What is trained beside a frozen network.

    The network's parameters keep their names and values, so a checkpoint of the base still loads into it. Without
    training it computes what it computed before: B and the additions to new rows begin at zero.

    Args:
        net: a network with `config.vocab_size`; its cells are wrapped in place.
        settings: what LoRA trains.
        base_vocab_size: tokens from this id on are new.
        seed: of A's random start and of the dropout.
        spread: how the network is spread over the devices.

    Attributes:
        spread: that, with how the adapter is spread beside it.

    Raises:
        InputError: the settings mean nothing in this network.
    """

    def __init__(
        self, net: nn.Cell, settings: LoraConfig, base_vocab_size: int, seed: int, spread: Spread | None = None
    ) -> None:
        self.settings, self.seed, base = settings, seed, spread or Spread()
        shapes = settings.weight_shapes(base_shapes(net, base), net.config.vocab_size, base_vocab_size)
        self.spread = spread_beside(base, shapes)
        freeze(net)
        self.weights = {name: self._new_parameter(name, shape) for name, shape in shapes.items()}
        self.key = new_key() if settings.lora_dropout else None
        cells = dict(net.cells_and_names())
        for path, weight in adaptable(net).items():
            if cell_of(weight.name) + LORA_A in shapes:
                self._wrap_linear(cells, path, cell_of(weight.name))
        cells = dict(net.cells_and_names())
        for path, weight in adaptable(net).items():
            if weight.name + NEW_ROWS in shapes:
                self._wrap_table(cells, path, weight)

    def _new_parameter(self, name: str, shape: tuple[int, ...]) -> Parameter:
        return new_parameter(self.spread.own(name, first_values(name, shape, self.seed)), name)

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
            parameter.set_data(Tensor(self.spread.own(name, arrays[name].astype(np.float32, copy=False))))

    def whole_arrays(self) -> dict[str, np.ndarray]:
        """Name -> values, all of them; every device that shares the network must ask for them."""
        return {name: self.spread.whole(parameter) for name, parameter in self.weights.items()}

    def _wrap_linear(self, cells: Mapping[str, nn.Cell], path: str, name: str) -> None:
        settings, dropout = self.settings, None
        if self.key is not None:
            columns = self._columns(name)
            dropout = KeyedDropout(settings.lora_dropout, self.key, columns)
        scale, keep = settings.lora_alpha / settings.lora_rank, 1.0 - settings.lora_dropout
        weights = self.weights[name + LORA_A], self.weights[name + LORA_B]
        replace(cells, path, LoraLinear(cells[path], *weights, scale, dropout, keep))

    def _columns(self, name: str) -> np.ndarray:
        """The dropout's numbers of the inputs that a layer has here."""
        lora_a = name + LORA_A
        whole = random_columns(self.spread.shape(self.weights[lora_a])[1], self.seed, name)
        return self.spread.own(lora_a, whole[None])[0]

    def _wrap_table(self, cells: Mapping[str, nn.Cell], path: str, weight: Parameter) -> None:
        """A part of a table may hold the new rows of some tokens or of none."""
        rows, spread = self.weights[weight.name + NEW_ROWS], self.spread
        first = spread.shape(weight)[0] - rows.shape[0]
        if spread.layout.is_cut(weight.name):
            first -= spread.mesh.tensor_rank * weight.shape[0]
        wrapper = NewRowsEmbedding if isinstance(cells[path], TokenEmbedding) else NewRowsHead
        replace(cells, path, wrapper(cells[path], rows, first))


def adaptable(net: nn.Cell) -> dict[str, Parameter]:
    """Path of a cell -> its weight, of what an adapter can add to: linear layers, wrapped or not, and tables."""
    found = {}
    for path, cell in net.cells_and_names():
        if isinstance(cell, LoraLinear):
            found[path] = cell.base.weight
        elif isinstance(cell, Linear) and not path.endswith(".base"):
            found[path] = cell.weight
        elif isinstance(cell, TokenEmbedding):
            found[path] = cell.embedding_weight
    return found


def base_shapes(net: nn.Cell, spread: Spread) -> dict[str, tuple[int, ...]]:
    """Name -> whole shape of the weights that an adapter can add to."""
    return {weight.name: spread.shape(weight) for weight in adaptable(net).values()}


def spread_beside(base: Spread, shapes: Mapping[str, tuple[int, ...]]) -> Spread:
    """How an adapter is spread where its network is.

    weight      A           B           rows of new tokens
    by rows     whole       by rows     whole
    by columns  by columns  whole

    What is whole beside a cut weight has a part of its gradient on every device.

    Args:
        base: the network.
        shapes: name -> whole shape of the adapter's weights.
    """
    cuts, shared = {}, []
    for name in shapes:
        cut = base.layout.cuts.get(base_weight_of(name))
        if cut is None:
            continue
        if is_cut_beside(name, cut.axis):
            cuts[name] = cut
        else:
            shared.append(name)
    return base.extended(cuts, shapes, shared)


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

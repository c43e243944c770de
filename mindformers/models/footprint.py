"""What a network weighs, in numbers, without building it: the part of `--run_mode plan` that a family knows.

A family registers a class of the form of `Footprint` under the name of its configuration. Shape letters: B rows, S
their length, T = B S tokens of a micro batch, D hidden, H heads, F feed-forward width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Protocol

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
CPU = "CPU"


@dataclass(frozen=True)
class Weight:
    """A parameter of the network.

    Args:
        shape: of the whole weight.
        cut: the axis that is split over the devices of a tensor-parallel group; None where each holds all of it.
        dtype: the type it is held in.
        is_trained: whether it has a gradient and a state of the optimizer.
        is_product: whether every token is multiplied with it, for the count of operations.
    """

    shape: tuple[int, ...]
    cut: int | None = None
    dtype: str = "float32"
    is_trained: bool = True
    is_product: bool = False

    @property
    def size(self) -> int:
        """Numbers in the whole weight."""
        return prod(self.shape)

    def size_on(self, parts: int) -> int:
        """Numbers on the device with the largest of so many parts."""
        if self.cut is None:
            return self.size
        return self.size // self.shape[self.cut] * -(-self.shape[self.cut] // parts)

    def bytes_on(self, parts: int) -> int:
        """Bytes on the device with the largest of so many parts."""
        return self.size_on(parts) * BYTES[self.dtype]


@dataclass(frozen=True)
class Batch:
    """A micro batch as one device sees it.

    Args:
        rows: B, examples.
        length: S, tokens of each.
        parts: devices that share the network.
    """

    rows: int
    length: int
    parts: int = 1

    @property
    def tokens(self) -> int:
        """T."""
        return self.rows * self.length


@dataclass(frozen=True)
class Activations:
    """Bytes that a training step holds beside weights, gradients and optimizer.

    Args:
        kept: by all layers together, from their forward to their backward pass.
        kept_by_recompute: the same where every layer computes its own a second time.
        working: by one layer while its backward pass runs, beside what is kept.
        output: by logits and loss.
    """

    kept: float
    kept_by_recompute: float
    working: float
    output: float


class Footprint(Protocol):
    """What a family tells about a network; made from its configuration and the kind of device."""

    def weights(self) -> Mapping[str, Weight]:
        """Name -> weight, of the whole network, all of them trained that can be."""

    def activations(self, batch: Batch) -> Activations:
        """What a training step holds."""

    def adapter(self, batch: Batch, num_cells: int, has_dropout: bool) -> float:
        """Bytes that low-rank additions to so many linear layers hold in a training step."""

    def prediction(self, batch: Batch) -> tuple[float, float]:
        """Bytes of the cache of keys and values of B rows of S tokens, and of the prefill beside it."""

    def attention_flops(self) -> float:
        """Operations of the attention for a token, forward and backward."""

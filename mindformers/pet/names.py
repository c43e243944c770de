"""What an adapter's weights are called: the base weight's cell or name, and a part of our own behind it.

model.layers.0.attention.wq.lora_a                       [r, in]      added to model.layers.0.attention.wq.weight
model.layers.0.attention.wq.lora_b                       [out, r]     as scale * lora_b @ lora_a
model.tok_embeddings.embedding_weight.new_rows           [n, D]       added to the last n rows of that table
"""

from __future__ import annotations

from collections.abc import Mapping

LORA_A, LORA_B, NEW_ROWS = ".lora_a", ".lora_b", ".new_rows"
DROPOUT_KEY = "adapter.dropout_key"
_WEIGHT = ".weight"
_TABLE = ".embedding_weight"


def is_adapters(name: str) -> bool:
    """Whether a parameter belongs to an adapter, not to the base."""
    return name.endswith((LORA_A, LORA_B, NEW_ROWS)) or name == DROPOUT_KEY


def cell_of(name: str) -> str:
    """`model.norm_out.weight` to `model.norm_out`."""
    return name.rpartition(".")[0]


def weight_of(cell: str) -> str:
    """The weight of a linear layer."""
    return cell + _WEIGHT


def is_cut_beside(name: str, axis: int | None) -> bool:
    """Whether an adapter's weight is cut as the base weight beside it, which is cut along an axis: B by rows, A by
    columns; anything else is whole on every device."""
    return (name.endswith(LORA_B) and axis == 0) or (name.endswith(LORA_A) and axis == 1)


def base_weight_of(name: str) -> str:
    """The base weight that an adapter's weight adds to."""
    return name.removesuffix(NEW_ROWS) if name.endswith(NEW_ROWS) else weight_of(cell_of(name))


def linear_cells(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The cells that can be linear layers, by their weights: name of a parameter -> its shape."""
    return [cell_of(name) for name, shape in shapes.items() if name.endswith(_WEIGHT) and len(shape) == 2]


def vocabulary_tables(shapes: Mapping[str, tuple[int, ...]], vocab_size: int) -> list[str]:
    """The weights with a row per token: the embedding, and a head, which stands directly in the network."""
    return [
        name
        for name, shape in shapes.items()
        if len(shape) == 2 and shape[0] == vocab_size and (name.endswith(_TABLE) or name.count(".") == 1)
    ]

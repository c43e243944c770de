"""What the native decode step computes with."""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
from mindspore import Parameter, Tensor

Shape = tuple[int, ...]
# The library's numbers of them.
ROUTINGS = {"none": 0, "activation": 1, "learned": 2}


@dataclass
class LayerWeights:
    """The parameters of one layer, float32, as the network holds them.

    Args:
        attention_norm, ffn_norm: [D].
        wq, wo: [D, D].
        wk, wv: [G * d, D].
        w1, w3: [F, D].
        w2: [D, F].
        router_weight, router_bias: [M * E, D] and [M * E] of a learned router, else None.
        w2_by_expert: [E, F / E, D], w2 again as it is read where a few experts are chosen; None for w2 itself.
    """

    attention_norm: Parameter
    wq: Parameter
    wk: Parameter
    wv: Parameter
    wo: Parameter
    ffn_norm: Parameter
    w1: Parameter
    w3: Parameter
    w2: Parameter
    router_weight: Parameter | None = None
    router_bias: Parameter | None = None
    w2_by_expert: Parameter | None = None

    def tensors(self) -> list[Parameter]:
        """What the step reads, in the order of the library."""
        found = [self.attention_norm, self.wq, self.wk, self.wv, self.wo, self.ffn_norm, self.w1, self.w3]
        found.append(self.w2 if self.w2_by_expert is None else self.w2_by_expert)
        return found if self.router_weight is None else [*found, self.router_weight, self.router_bias]


@dataclass
class DecodeWeights:
    """What a network computes with. One that does anything else, or in another type, has no `DecodeWeights`.

    Args:
        embedding: [V, D].
        layers: of every layer.
        norm: [D], before the head.
        head: [V, D], or `embedding` again where it is tied.
        num_heads: H.
        eps: of all norms.
        cos, sin: rotary tables [positions, d].
        routing: `none`, `activation` or `learned`.
        num_experts: E; 1 without routing.
        experts_per_token, modality_table: int32 [V], how many experts a token with this id may use and the row of
            its modality; None without routing.
    """

    embedding: Parameter
    layers: list[LayerWeights]
    norm: Parameter
    head: Parameter
    num_heads: int
    eps: float
    cos: Tensor
    sin: Tensor
    routing: str = "none"
    num_experts: int = 1
    experts_per_token: Tensor | None = None
    modality_table: Tensor | None = None

    @property
    def is_by_expert(self) -> bool:
        """Whether the layers have `w2_by_expert`."""
        return self.layers[0].w2_by_expert is not None

    @property
    def head_dim(self) -> int:
        """d = D / H."""
        return self.embedding.shape[1] // self.num_heads

    @property
    def num_kv_heads(self) -> int:
        """G, heads of keys and values."""
        return self.layers[0].wk.shape[0] // self.head_dim

    def tensors(self) -> list[Tensor | None]:
        """Everything in the order of the library: the two tables, what all layers share, then layer by layer."""
        found = [self.experts_per_token, self.modality_table, self.cos, self.sin, self.embedding, self.norm, self.head]
        for layer in self.layers:
            found += layer.tensors()
        return found

    def floats(self) -> list[Tensor]:
        """All but the tables."""
        return self.tensors()[2:]


def check_weights(weights: DecodeWeights) -> None:
    """Raises ValueError or TypeError, naming the tensor, where shapes or types do not fit each other."""
    vocab_size, width = weights.embedding.shape
    head_dim = width // weights.num_heads
    if width % weights.num_heads or head_dim % 2:
        raise ValueError(f"heads: got {weights.num_heads} for width {width}, expected an even head dimension")
    _check("norm", weights.norm.shape, (width,))
    _check("head", weights.head.shape, (vocab_size, width))
    _check("cos", weights.cos.shape, (weights.cos.shape[0], head_dim))
    _check("sin", weights.sin.shape, weights.cos.shape)
    if not weights.layers:
        raise ValueError("layers: got none, expected at least one")
    kv_size, neurons = weights.layers[0].wk.shape[0], weights.layers[0].w1.shape[0]
    if kv_size % head_dim or kv_size == 0 or weights.num_heads % (kv_size // head_dim):
        raise ValueError(f"wk: got {kv_size} rows, expected {head_dim} for each of a divisor of {weights.num_heads}")
    for layer in weights.layers:
        _check_layer(layer, width, kv_size, neurons)
        if weights.is_by_expert:
            shape = (weights.num_experts, neurons // weights.num_experts, width)
            _check("w2_by_expert", layer.w2_by_expert.shape, shape)
    _check_routing(weights, vocab_size, neurons)


def _check_layer(layer: LayerWeights, width: int, kv_size: int, neurons: int) -> None:
    expected = {
        "attention_norm": (width,),
        "wq": (width, width),
        "wk": (kv_size, width),
        "wv": (kv_size, width),
        "wo": (width, width),
        "ffn_norm": (width,),
        "w1": (neurons, width),
        "w3": (neurons, width),
        "w2": (width, neurons),
    }
    for name, shape in expected.items():
        _check(name, getattr(layer, name).shape, shape)


def _check_routing(weights: DecodeWeights, vocab_size: int, neurons: int) -> None:
    if weights.routing not in ROUTINGS:
        raise ValueError(f"routing: got '{weights.routing}', expected one of {', '.join(ROUTINGS)}")
    if weights.routing == "none":
        if weights.num_experts != 1:
            raise ValueError(f"experts: got {weights.num_experts}, expected 1 without routing")
        return
    experts = weights.num_experts
    if experts < 1 or neurons % experts:
        raise ValueError(f"experts: got {experts}, expected a divisor of the {neurons} neurons")
    tables = {"experts_per_token": weights.experts_per_token, "modality_table": weights.modality_table}
    for name, values in tables.items():
        _check(name, values.shape, (vocab_size,))
        if values.dtype != ms.int32:
            raise TypeError(f"{name}: got {values.dtype}, expected {ms.int32}")
    if weights.routing == "learned":
        rows = (int(weights.modality_table.asnumpy().max()) + 1) * experts
        for layer in weights.layers:
            _check_router(layer, rows, weights.embedding.shape[1])


def _check_router(layer: LayerWeights, least_rows: int, width: int) -> None:
    rows = layer.router_weight.shape[0]
    if rows < least_rows:
        raise ValueError(f"router_weight: got {rows} rows, expected at least {least_rows} for the modalities in use")
    _check("router_weight", layer.router_weight.shape, (rows, width))
    _check("router_bias", layer.router_bias.shape, (rows,))


def _check(name: str, got: Shape, expected: Shape) -> None:
    if tuple(got) != tuple(expected):
        raise ValueError(f"{name}: got shape {tuple(got)}, expected {tuple(expected)}")

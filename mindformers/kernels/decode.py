"""A whole decode step of a LLaMA as one C++ operator, and several of them as another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from mindformers.kernels.build import kernel_library

Shape = tuple[int, ...]
# The library's numbers of them.
_ROUTINGS = {"none": 0, "activation": 1, "learned": 2}


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


Caches = Sequence[tuple[Parameter, Parameter]]


def native_decode(weights: DecodeWeights | None, caches: Caches) -> NativeDecode | None:
    """The native step over these weights and caches.

    Args:
        weights: of the network; None where it has none that the step can use.
        caches: keys and values of every layer, float32 [B * G, L, d] each, written in place.

    Returns:
        The cell, or None where there is no library, the device is no CPU, or a tensor is not float32.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    library = _library_for(weights, caches)
    return None if library is None else NativeDecode(library, weights, caches)


def native_greedy(
    weights: DecodeWeights | None, caches: Caches, num_steps: int, end_token_id: int | None
) -> NativeGreedy | None:
    """Several native steps in one call, as `native_decode`.

    Args:
        weights, caches: as `native_decode`.
        num_steps: n, at least 1.
        end_token_id: the token behind which a row ends; None where it never does.
    """
    library = _library_for(weights, caches)
    return None if library is None else NativeGreedy(library, weights, caches, num_steps, end_token_id)


class NativeDecode(nn.Cell):
    """One step of all rows; the same as `LlamaForCausalLM.decode` over the same caches.

    A row's logits have the same bits whatever the other rows are and how many there are. A row at a negative position
    is idle: its cache stays as it is, its logits are zero.

    Args:
        library: from `build.kernel_library`.
        weights, caches: as `native_decode`.

    Inputs: ids int32 [B] and their positions int32 [B], each below the caches' length. Returns: float32 [B, V].
    Raises: ValueError or TypeError, when the graph is built, for another shape or type; RuntimeError for an id or a
        position outside the model.
    """

    def __init__(self, library: Path, weights: DecodeWeights, caches: Caches) -> None:
        super().__init__(auto_prefix=False)
        _check_weights(weights)
        self.batch_size = _check_caches(weights, caches)
        self.settings = _settings(weights)
        self.eps = Tensor(np.asarray([weights.eps], np.float32))
        self.cos, self.sin = weights.cos, weights.sin
        nothing = Tensor(np.zeros(1, np.int32))
        self.experts_per_token = nothing if weights.experts_per_token is None else weights.experts_per_token
        self.modality_table = nothing if weights.modality_table is None else weights.modality_table
        self.parameters = ParameterTuple(_parameters(weights, caches))
        result = (self.batch_size, weights.embedding.shape[0])
        self.step = _operator(library, "scimind_decode_step", result, ms.float32)

    def construct(self, ids: Tensor, positions: Tensor) -> Tensor:
        return self.step(
            ids,
            positions,
            self.settings,
            self.eps,
            self.cos,
            self.sin,
            self.experts_per_token,
            self.modality_table,
            *self.parameters,
        )


class NativeGreedy(NativeDecode):
    """Steps whose most likely token (the lowest of equal ones) goes in again, in one call: what a call costs is as much
    as a step of a small network.

    Args:
        num_steps: n.
        end_token_id: as `native_greedy`.

    Inputs: as `NativeDecode`. Returns: int32 [B, n], the tokens behind those given. A row ends with the end token, or
        when its cache is full; behind its end, and where it is idle, stands -1.
    """

    def __init__(
        self, library: Path, weights: DecodeWeights, caches: Caches, num_steps: int, end_token_id: int | None
    ) -> None:
        super().__init__(library, weights, caches)
        if num_steps < 1:
            raise ValueError(f"num_steps: got {num_steps}, expected 1 or more")
        self.settings = _settings(weights, -1 if end_token_id is None else end_token_id)
        self.step = _operator(library, "scimind_decode_greedy", (self.batch_size, num_steps), ms.int32)


def _library_for(weights: DecodeWeights | None, caches: Caches) -> Path | None:
    if weights is None or ms.get_context("device_target") != "CPU":
        return None
    floats = [*_parameters(weights, caches), weights.cos, weights.sin]
    return None if any(tensor.dtype != ms.float32 for tensor in floats) else kernel_library()


def _settings(weights: DecodeWeights, end_token_id: int = -1) -> Tensor:
    """In the order of the library's."""
    numbers = [weights.num_heads, _ROUTINGS[weights.routing], weights.num_experts, end_token_id]
    return Tensor(np.asarray(numbers, np.int32))


def _operator(library: Path, name: str, result: Shape, result_type: ms.Type) -> ops.Custom:
    def shape(ids: Shape, positions: Shape, *others: Shape) -> Shape:
        _check("ids", ids, result[:1])
        _check("positions", positions, result[:1])
        return result

    def dtype(ids: ms.Type, positions: ms.Type, *others: ms.Type) -> ms.Type:
        for what, arrived in (("ids", ids), ("positions", positions)):
            if getattr(arrived, "element_type", lambda plain=arrived: plain)() != ms.int32:
                raise TypeError(f"{what}: got {arrived}, expected {ms.int32}")
        return result_type

    return ops.Custom(f"{library}:{name}", shape, dtype, "aot")


def _parameters(weights: DecodeWeights, caches: Caches) -> list[Parameter]:
    """In the order of the library's inputs."""
    found = [weights.embedding, weights.norm, weights.head]
    for layer, (keys, values) in zip(weights.layers, caches, strict=True):
        found += [layer.attention_norm, layer.wq, layer.wk, layer.wv, layer.wo]
        found += [layer.ffn_norm, layer.w1, layer.w3, layer.w2, keys, values]
        if weights.routing == "learned":
            found += [layer.router_weight, layer.router_bias]
    return found


def _check_weights(weights: DecodeWeights) -> None:
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
    if weights.routing not in _ROUTINGS:
        raise ValueError(f"routing: got '{weights.routing}', expected one of {', '.join(_ROUTINGS)}")
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


def _check_caches(weights: DecodeWeights, caches: Caches) -> int:
    """B."""
    head_dim = weights.embedding.shape[1] // weights.num_heads
    kv_heads = weights.layers[0].wk.shape[0] // head_dim
    first = caches[0][0].shape
    if len(first) != 3 or first[0] % kv_heads or 0 in first:
        raise ValueError(f"keys: got shape {tuple(first)}, expected (rows * {kv_heads}, length, {head_dim})")
    for keys, values in caches:
        _check("keys", keys.shape, (*first[:2], head_dim))
        _check("values", values.shape, (*first[:2], head_dim))
    return first[0] // kv_heads


def _check(name: str, got: Shape, expected: Shape) -> None:
    if tuple(got) != tuple(expected):
        raise ValueError(f"{name}: got shape {tuple(got)}, expected {tuple(expected)}")

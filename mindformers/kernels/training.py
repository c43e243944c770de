"""Parts of a training step as C++ operators, each in place of many plain ones, for float32 on a CPU.

MindSpore's executor on a CPU keeps nearly every result of plain operators until a step ends, and each of them is one
more way through memory. The plain forms stand where they are used, in `modules` and `core.loss`, and define what these
compute.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.kernels.build import kernel_library
from mindformers.kernels.custom import Shape, check_shape, operator
from mindformers.kernels.squares import HalfSquare

_FLOAT = ms.float32


class NativeLinear(nn.Cell):
    """x W^T. Inputs: x [T, in], W [out, in]. Returns: [T, out]."""

    def __init__(self, library: Path) -> None:
        super().__init__(auto_prefix=False)
        of_input = operator(library, "scimind_linear_input_gradient", _linear_input_shape, (_FLOAT,) * 2, 1)
        of_weight = operator(library, "scimind_linear_weight_gradient", _linear_weight_shape, (_FLOAT,) * 2, 1)

        def bprop(x, weight, out, dout):
            return of_input(dout, weight), of_weight(dout, x)

        self.forward = operator(library, "scimind_linear", _linear_shape, (_FLOAT,) * 2, 1, bprop)

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        return self.forward(x, weight)


class NativeHalfSquare(nn.Cell):
    """Half the sum of all squares. Inputs: x, of any shape. Returns: [1]. It has no gradient."""

    def __init__(self, library: Path) -> None:
        super().__init__(auto_prefix=False)
        self.forward = operator(library, "scimind_half_squares", lambda x: (1,), (_FLOAT,), 1)

    def construct(self, x: Tensor) -> Tensor:
        return self.forward(x)


class NativeNorm(nn.Cell):
    """x / sqrt(mean(x^2) + eps) * weight. Inputs: x [T, D], weight [D]. Returns: [T, D]."""

    def __init__(self, library: Path, eps: float) -> None:
        super().__init__(auto_prefix=False)
        self.eps = Tensor(np.asarray([eps], np.float32))
        gradients = operator(library, "scimind_norm_gradients", _norm_gradient_shapes, (_FLOAT,) * 4, 2)

        def bprop(x, weight, eps, out, dout):
            dx, dweight = gradients(x, weight, out[1], dout[0])
            return dx, dweight, ops.zeros_like(eps)

        self.forward = operator(library, "scimind_norm", _norm_shapes, (_FLOAT,) * 3, 2, bprop)

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        return self.forward(x, weight, self.eps)[0]


class NativeSwiGLU(nn.Cell):
    """silu(gate) * up. Inputs: gate and up [T, F]. Returns: [T, F]."""

    def __init__(self, library: Path) -> None:
        super().__init__(auto_prefix=False)
        gradients = operator(library, "scimind_swiglu_gradients", _swiglu_gradient_shapes, (_FLOAT,) * 3, 2)

        def bprop(gate, up, out, dout):
            return gradients(gate, up, dout)

        self.forward = operator(library, "scimind_swiglu", _swiglu_shapes, (_FLOAT,) * 2, 1, bprop)

    def construct(self, gate: Tensor, up: Tensor) -> Tensor:
        return self.forward(gate, up)


class NativeLoss(nn.Cell):
    """-log softmax(logits)[label], 0 where the label does not count.

    Inputs: logits [T, V], labels int32 [T], each below V or the ignored one. Returns: [T].
    """

    def __init__(self, library: Path, ignore_token_id: int) -> None:
        super().__init__(auto_prefix=False)
        self.ignored = Tensor(np.asarray([ignore_token_id], np.int32))
        types = (_FLOAT, ms.int32, ms.int32)
        gradients = operator(library, "scimind_loss_gradients", _loss_gradient_shapes, (*types, _FLOAT, _FLOAT), 1)

        def bprop(logits, labels, ignored, out, dout):
            dlogits = gradients(logits, labels, ignored, out[1], dout[0])
            return dlogits, ops.zeros_like(labels), ops.zeros_like(ignored)

        self.forward = operator(library, "scimind_loss", _loss_shapes, types, 2, bprop)

    def construct(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.forward(logits, labels, self.ignored)[0]


class NativeAttention(nn.Cell):
    """softmax(turned q (turned k)^T / sqrt(d)) v, where the turns are those of rotary positions.

    Inputs: q [B, S, H d]; k and v [B, S, G d]; cos and sin [S, d]; mask bool [B, 1, S, S], 1 is visible.
    Returns: [B, S, H d].
    """

    def __init__(self, library: Path) -> None:
        super().__init__(auto_prefix=False)
        types = (_FLOAT,) * 5 + (ms.bool_,)
        name = "scimind_attention_gradients"
        gradients = operator(library, name, _attention_gradient_shapes, (*types, *(_FLOAT,) * 3), 3)

        def bprop(q, k, v, cos, sin, mask, out, dout):
            dq, dk, dv = gradients(q, k, v, cos, sin, mask, out[0], out[1], dout[0])
            return dq, dk, dv, ops.zeros_like(cos), ops.zeros_like(sin), ops.zeros_like(mask)

        self.forward = operator(library, "scimind_attention", _attention_shapes, types, 2, bprop)

    def construct(self, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        return self.forward(q, k, v, cos, sin, mask)[0]


def half_square() -> nn.Cell:
    """Half the sum of the squares of a float32 tensor, [1] or a scalar: natively where there is a library."""
    return native(NativeHalfSquare) or HalfSquare()


def native(cell: Callable[..., nn.Cell], *arguments: Any) -> nn.Cell | None:
    """One of these cells, or None where there is no library or the device is no CPU.

    Args:
        cell: its class.
        arguments: of the class, behind the library.
    """
    if ms.get_context("device_target") != "CPU":
        return None
    library = kernel_library()
    return None if library is None else cell(library, *arguments)


def _linear_shape(x: Shape, weight: Shape) -> Shape:
    check_shape("weight", weight, (weight[0], x[1]))
    return x[0], weight[0]


def _linear_input_shape(dy: Shape, weight: Shape) -> Shape:
    check_shape("dy", dy, (dy[0], weight[0]))
    return dy[0], weight[1]


def _linear_weight_shape(dy: Shape, x: Shape) -> Shape:
    check_shape("dy", dy, (x[0], dy[1]))
    return dy[1], x[1]


def _norm_shapes(x: Shape, weight: Shape, eps: Shape) -> tuple[Shape, ...]:
    check_shape("weight", weight, (x[1],))
    return x, (x[0],)


def _norm_gradient_shapes(x: Shape, weight: Shape, scales: Shape, dy: Shape) -> tuple[Shape, ...]:
    check_shape("dy", dy, x)
    return x, weight


def _swiglu_shapes(gate: Shape, up: Shape) -> Shape:
    check_shape("up", up, gate)
    return gate


def _swiglu_gradient_shapes(gate: Shape, up: Shape, dh: Shape) -> tuple[Shape, ...]:
    check_shape("dh", dh, gate)
    return gate, up


def _loss_shapes(logits: Shape, labels: Shape, ignored: Shape) -> tuple[Shape, ...]:
    check_shape("labels", labels, logits[:1])
    return labels, labels


def _loss_gradient_shapes(logits: Shape, labels: Shape, ignored: Shape, logs: Shape, dlosses: Shape) -> Shape:
    check_shape("dlosses", dlosses, labels)
    return logits


def _attention_shapes(q: Shape, k: Shape, v: Shape, cos: Shape, sin: Shape, mask: Shape) -> tuple[Shape, ...]:
    batch, length, width = q
    check_shape("k", k, (batch, length, k[2]))
    check_shape("v", v, k)
    check_shape("cos", cos, (length, cos[1]))
    check_shape("sin", sin, cos)
    check_shape("mask", mask, (batch, 1, length, length))
    if cos[1] % 2 or k[2] % cos[1] or width % k[2]:
        raise ValueError(f"q, k: got widths {width} and {k[2]}, expected whole groups of heads of {cos[1]}")
    return q, (batch, width // cos[1], length)


def _attention_gradient_shapes(*given: Shape) -> tuple[Shape, ...]:
    q, k, v, *_, dout = given
    check_shape("dout", dout, q)
    return q, k, v

"""The routed SwiGLU feed-forward as C++ operators: experts that a token does not use are neither read nor computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.kernels.build import kernel_library
from mindformers.kernels.custom import Shape, check_shape, operator

ACTIVATION, LEARNED = "activation", "learned"


def native_routed_swiglu(num_experts: int, routing: str) -> RoutedSwiGLU | None:
    """The native cell, or None where there is no library or the device is no CPU."""
    if ms.get_context("device_target") != "CPU":
        return None
    library = kernel_library()
    return None if library is None else RoutedSwiGLU(library, num_experts, routing)


class RoutedSwiGLU(nn.Cell):
    """h = silu(x W1^T) * (x W3^T), y = h W2^T over the experts of each token; `reference.MaskedSwiGLU` in C++.

        activation: k experts of the highest sum of h. All of h is computed; W2 and the whole backward pass only for
                    what is selected.
        learned:    a mask that is known beforehand. Nothing of other experts is touched.

    Same inputs give the same bits in every run. In training the gate and up values of selected pairs are kept for the
    backward pass; otherwise a gradient computes them again.

    A mask's gradient is, for a selected expert, its contribution to the result times dy, as if the mask were a factor
    of it, and zero for the others. None flows into k.

    Args:
        library: from `build.kernel_library`.
        num_experts: E; expert e is rows [e F/E, (e+1) F/E) of w1 and w3, and those columns of w2.
        routing: `activation` or `learned`.

    Inputs: x float32 [T, D]; choice: int32 [T], experts each token may use (`activation`), or float32 [T, E], where
        anything but 0 selects (`learned`); w1 and w3 float32 [F, D]; w2 float32 [D, F], or outside of training with
        `learned` [E, F/E, D], as from `by_expert`.
    Returns: float32 [T, D].
    Raises: ValueError or TypeError, when the graph is built, for another shape or type.
    """

    def __init__(self, library: Path, num_experts: int, routing: str) -> None:
        super().__init__()
        if routing not in (ACTIVATION, LEARNED):
            raise ValueError(f"routing: got '{routing}', expected '{ACTIVATION}' or '{LEARNED}'")
        self.is_learned = routing == LEARNED
        self.library, self.num_experts = library, num_experts
        # Its length tells the library how many experts there are.
        self.marker = Tensor(np.zeros(num_experts, np.int32))
        self.forward, self.forward_keep = self._operators(has_weight_gradients=True)

    def freeze_weights(self) -> None:
        """From now on the backward pass leaves out w1, w3 and w2, a third of its work; their gradients are zero."""
        self.forward, self.forward_keep = self._operators(has_weight_gradients=False)

    def _operators(self, has_weight_gradients: bool) -> tuple[ops.Custom, ops.Custom]:
        make = _learned_operators if self.is_learned else _activation_operators
        return make(self.library, self.num_experts, _gradients(self.library, has_weight_gradients))

    def construct(self, x: Tensor, choice: Tensor, w1: Tensor, w3: Tensor, w2: Tensor) -> Tensor:
        if x.shape[0] == 0:
            return ops.zeros_like(x)
        if self.is_learned:
            if self.training:
                return self.forward_keep(x, choice, w1, w3, w2)[0]
            return self.forward(x, choice, w1, w3, w2)
        if self.training:
            return self.forward_keep(x, choice, self.marker, w1, w3, w2)[0]
        return self.forward(x, choice, self.marker, w1, w3, w2)[0]


def by_expert(w2: Tensor, num_experts: int) -> np.ndarray:
    """w2 [D, F] as [E, F/E, D]: what one expert has of it lies in one piece, neuron by neuron."""
    width, neurons = w2.shape
    return np.ascontiguousarray(w2.asnumpy().T).reshape(num_experts, neurons // num_experts, width)


def _learned_operators(library: Path, num_experts: int, gradients: Callable) -> tuple[ops.Custom, ops.Custom]:
    def check(x: Shape, mask: Shape, w1: Shape, w3: Shape, w2: Shape) -> None:
        _check_layer(x, w1, w3, w2, num_experts)
        check_shape("mask", mask, (x[0], num_experts))

    def shape(x: Shape, mask: Shape, w1: Shape, w3: Shape, w2: Shape) -> Shape:
        is_by_expert = tuple(w2) == (num_experts, w1[0] // num_experts, w1[1])
        check(x, mask, w1, w3, (w1[1], w1[0]) if is_by_expert else w2)
        return x

    def shapes(x: Shape, mask: Shape, w1: Shape, w3: Shape, w2: Shape) -> tuple[Shape, ...]:
        check(x, mask, w1, w3, w2)
        return x, (2, x[0], w1[0])

    types = (ms.float32,) * 5

    def bprop_keep(x, mask, w1, w3, w2, out, dout):
        return gradients(x, mask, w1, w3, w2, out[1], dout[0])

    keep = operator(library, "scimind_ffn_selected_keep", shapes, types, 2, bprop_keep)

    def bprop(x, mask, w1, w3, w2, out, dout):
        again = keep(x, mask, w1, w3, w2)
        return gradients(x, mask, w1, w3, w2, again[1], dout)

    return operator(library, "scimind_ffn_selected", shape, types, 1, bprop), keep


def _activation_operators(library: Path, num_experts: int, gradients: Callable) -> tuple[ops.Custom, ops.Custom]:
    def check(x: Shape, k: Shape, w1: Shape, w3: Shape, w2: Shape) -> None:
        _check_layer(x, w1, w3, w2, num_experts)
        check_shape("k", k, (x[0],))

    def shape(x: Shape, k: Shape, marker: Shape, w1: Shape, w3: Shape, w2: Shape) -> tuple[Shape, ...]:
        check(x, k, w1, w3, w2)
        return x, (x[0], num_experts)

    def shapes(x: Shape, k: Shape, marker: Shape, w1: Shape, w3: Shape, w2: Shape) -> tuple[Shape, ...]:
        check(x, k, w1, w3, w2)
        return x, (x[0], num_experts), (2, x[0], w1[0])

    types = (ms.float32, ms.int32, ms.int32, ms.float32, ms.float32, ms.float32)

    def bprop_keep(x, k, marker, w1, w3, w2, out, dout):
        dx, _, dw1, dw3, dw2 = gradients(x, out[1], w1, w3, w2, out[2], dout[0])
        return dx, ops.zeros_like(k), ops.zeros_like(marker), dw1, dw3, dw2

    keep = operator(library, "scimind_ffn_by_activation_keep", shapes, types, 3, bprop_keep)

    def bprop(x, k, marker, w1, w3, w2, out, dout):
        again = keep(x, k, marker, w1, w3, w2)
        dx, _, dw1, dw3, dw2 = gradients(x, again[1], w1, w3, w2, again[2], dout[0])
        return dx, ops.zeros_like(k), ops.zeros_like(marker), dw1, dw3, dw2

    return operator(library, "scimind_ffn_by_activation", shape, types, 2, bprop), keep


def _gradients(library: Path, has_weight_gradients: bool) -> Callable:
    """From what the forward pass had and kept, and dy, to the gradients of x, mask, w1, w3 and w2."""

    def shapes(x: Shape, mask: Shape, w1: Shape, w3: Shape, w2: Shape, keep: Shape, dy: Shape) -> tuple[Shape, ...]:
        _check_layer(x, w1, w3, w2, mask[-1])
        check_shape("keep", keep, (2, x[0], w1[0]))
        check_shape("dy", dy, tuple(x))
        return x, mask, w1, w3, w2

    def input_shapes(*given: Shape) -> tuple[Shape, ...]:
        return shapes(*given)[:2]

    types = (ms.float32,) * 7
    if has_weight_gradients:
        return operator(library, "scimind_ffn_gradients", shapes, types, 5)
    of_inputs = operator(library, "scimind_ffn_input_gradients", input_shapes, types, 2)

    def without_weights(x, mask, w1, w3, w2, keep, dy):
        dx, dmask = of_inputs(x, mask, w1, w3, w2, keep, dy)
        return dx, dmask, ops.zeros_like(w1), ops.zeros_like(w3), ops.zeros_like(w2)

    return without_weights


def _check_layer(x: Shape, w1: Shape, w3: Shape, w2: Shape, num_experts: int) -> None:
    check_shape("rank of x", (len(x),), (2,))
    check_shape("rank of w1", (len(w1),), (2,))
    neurons, width = w1
    check_shape("x", x, (x[0], width))
    check_shape("w3", w3, (neurons, width))
    check_shape("w2", w2, (width, neurons))
    if num_experts < 1 or neurons % num_experts:
        raise ValueError(f"experts: got {num_experts}, expected a divisor of the {neurons} neurons")

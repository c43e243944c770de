"""The activations of a routed feed-forward that is computed whole, as C++ operators, for float32 on a CPU.

Values, choice and mask in one way through memory: as plain operators they take six, which is what a masked layer costs
beyond the dense one. The plain form stands in `modules.feed_forward` and defines the result.
"""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.kernels.custom import Shape, check_shape, operator


class NativeMaskedSwiGLU(nn.Cell):
    """silu(gate) * up with all but k experts of each token set to zero: those of the highest sum stay.

    Args:
        library: from `build.kernel_library`.
        num_experts: E; expert e is columns [e F/E, (e+1) F/E).

    Inputs: gate and up [T, F]; k int32 [T]. Returns: [T, F]. No gradient flows through the choice.
    """

    def __init__(self, library: Path, num_experts: int) -> None:
        super().__init__(auto_prefix=False)
        # Its length tells the library how many experts there are.
        self.marker = Tensor(np.zeros(num_experts, np.int32))
        gradients = operator(library, "scimind_masked_swiglu_gradients", _gradient_shapes, (ms.float32,) * 4, 2)

        def bprop(gate, up, k, marker, out, dout):
            dgate, dup = gradients(gate, up, out[1], dout[0])
            return dgate, dup, ops.zeros_like(k), ops.zeros_like(marker)

        types = (ms.float32, ms.float32, ms.int32, ms.int32)
        self.forward = operator(library, "scimind_masked_swiglu", _shapes, types, 2, bprop)

    def construct(self, gate: Tensor, up: Tensor, k: Tensor) -> Tensor:
        return self.forward(gate, up, k, self.marker)[0]


def _shapes(gate: Shape, up: Shape, k: Shape, marker: Shape) -> tuple[Shape, ...]:
    check_shape("up", up, gate)
    check_shape("k", k, gate[:1])
    if gate[1] % marker[0]:
        raise ValueError(f"experts: got {marker[0]}, expected a divisor of the {gate[1]} neurons")
    return gate, (gate[0], marker[0])


def _gradient_shapes(gate: Shape, up: Shape, mask: Shape, dh: Shape) -> tuple[Shape, ...]:
    check_shape("dh", dh, gate)
    return gate, up

"""The update behind a training step's gradients as C++ operators that take all weights at once, float32 on a CPU.

A weight, its running means and its gradient are read once and written once; plain operators go through memory several
times, and each of them costs the executor as much as a small weight's arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from mindformers.kernels.custom import Shape, check_shape, operator

_FLOAT = ms.float32


class NativeGlobalNorm(nn.Cell):
    """sqrt of the sum of all squares. Inputs: a gradient per shape. Returns: float32 scalar.

    Args:
        library: from `build.kernel_library`.
        count: how many gradients there are.
    """

    def __init__(self, library: Path, count: int) -> None:
        super().__init__(auto_prefix=False)
        self.half_squares = operator(library, "scimind_half_squares", lambda *given: (1,), (_FLOAT,) * count, 1)

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        return ops.sqrt(2.0 * self.half_squares(*gradients)).reshape(())


class NativeAdamW(nn.Cell):
    """`core.optimizer.AdamW` in place; where the factor is not finite nothing changes.

    Args:
        library: from `build.kernel_library`.
        weights, first, second: the parameters and the running means of their gradients and squares, float32.
        decays: of every weight.
        fixed: beta1, beta2 and eps.

    Inputs: gradients, one per weight; lr float32 scalar; powers float32 [2]; factor float32 scalar. Returns: [1].
    """

    def __init__(
        self,
        library: Path,
        weights: Sequence[Parameter],
        first: Sequence[Parameter],
        second: Sequence[Parameter],
        decays: Sequence[float],
        fixed: tuple[float, float, float],
    ) -> None:
        super().__init__(auto_prefix=False)
        self.state = ParameterTuple([*weights, *first, *second])
        self.decays, self.fixed = Tensor(np.asarray(decays, np.float32)), Tensor(np.asarray(fixed, np.float32))
        count = len(self.decays)

        def shapes(told: Shape, fixed: Shape, decays: Shape, *arrays: Shape) -> Shape:
            for place, shape in enumerate(arrays):
                check_shape(f"size of array {place}", (prod(shape),), (prod(arrays[place % count]),))
            return (1,)

        self.update = operator(library, "scimind_adamw", shapes, (_FLOAT,) * (3 + 4 * count), 1)
        # Keeps it in its place among all that reads or writes the parameters.
        self.update.add_prim_attr("side_effect_mem", True)

    def construct(self, gradients: tuple[Tensor, ...], lr: Tensor, powers: Tensor, factor: Tensor) -> Tensor:
        told = ops.concat((lr.reshape(1), powers, factor.reshape(1)))
        return self.update(told, self.fixed, self.decays, *self.state, *gradients)

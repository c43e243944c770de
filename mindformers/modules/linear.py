"""A linear layer without surprises: weight [out, in] under the public name, computed in the compute type."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer

from mindformers.kernels.training import NativeLinear, native


def empty_parameter(shape: tuple[int, ...], dtype: ms.Type, name: str, requires_grad: bool = True) -> Parameter:
    """A parameter of zeros; `initialize_parameters` or a checkpoint gives it its values.

    Under MindSpore's `no_init_parameters` it takes no memory before that.
    """
    return Parameter(initializer("zeros", shape, dtype), name=name, requires_grad=requires_grad)


class Linear(nn.Cell):
    """y = x W^T (+ b). In training on a CPU by native products.

    Args:
        in_features, out_features: widths.
        compute_dtype: the type of the product.
        param_dtype: the type in which the weight is held.
        has_bias: add b.

    Inputs: x [..., in]. Returns: [..., out] in `compute_dtype`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        compute_dtype: ms.Type = ms.float32,
        param_dtype: ms.Type = ms.float32,
        has_bias: bool = False,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.compute_dtype = in_features, out_features, compute_dtype
        self.weight = empty_parameter((out_features, in_features), param_dtype, "weight")
        self.bias = empty_parameter((out_features,), param_dtype, "bias") if has_bias else None
        self.multiply = ops.MatMul(transpose_b=True)
        self.fused = native(NativeLinear) if compute_dtype == param_dtype == ms.float32 else None

    def construct(self, x: Tensor) -> Tensor:
        rows = ops.cast(x, self.compute_dtype).reshape(-1, self.in_features)
        if self.training and self.fused is not None:
            y = self.fused(rows, self.weight)
        else:
            y = self.multiply(rows, ops.cast(self.weight, self.compute_dtype))
        if self.bias is not None:
            y = y + ops.cast(self.bias, self.compute_dtype)
        return y.reshape((*x.shape[:-1], self.out_features))

"""Normalisation: by the root mean square (Zhang and Sennrich 2019, equation 4), and by mean and variance."""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from mindformers.kernels.training import NativeNorm, native


class RMSNorm(nn.Cell):
    """x / sqrt(mean(x^2) + eps) * weight, the mean over the last axis. In training on a CPU one native operator.

    Args:
        width: D.
        eps: added to the mean.
        compute_dtype: the type of mean and root.
        param_dtype: the type in which the weight is held.

    Inputs: x [..., D]. Returns: [..., D] in x's type.
    """

    def __init__(
        self,
        width: int,
        eps: float = 1e-6,
        compute_dtype: ms.Type = ms.float32,
        param_dtype: ms.Type = ms.float32,
    ) -> None:
        super().__init__()
        self.eps, self.compute_dtype = eps, compute_dtype
        self.weight = Parameter(ops.ones((width,), param_dtype), name="weight")
        is_float32 = compute_dtype == param_dtype == ms.float32
        self.fused = native(NativeNorm, eps) if is_float32 else None

    def construct(self, x: Tensor) -> Tensor:
        if self.training and self.fused is not None and x.dtype == ms.float32:
            return self.fused(x.reshape(-1, x.shape[-1]), self.weight).reshape(x.shape)
        y = ops.cast(x, self.compute_dtype)
        y = y * ops.rsqrt(ops.mean(ops.square(y), -1, True) + self.eps)
        return ops.cast(y * ops.cast(self.weight, self.compute_dtype), x.dtype)


class LayerNorm(nn.Cell):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last axis (Ba et al. 2016).

    Args: as `RMSNorm`. Inputs: x [..., D]. Returns: [..., D] in x's type.
    """

    def __init__(
        self,
        width: int,
        eps: float = 1e-5,
        compute_dtype: ms.Type = ms.float32,
        param_dtype: ms.Type = ms.float32,
    ) -> None:
        super().__init__()
        self.compute_dtype = compute_dtype
        self.weight = Parameter(ops.ones((width,), param_dtype), name="weight")
        self.bias = Parameter(ops.zeros((width,), param_dtype), name="bias")
        self.normalize = ops.LayerNorm(begin_norm_axis=-1, begin_params_axis=-1, epsilon=eps)

    def construct(self, x: Tensor) -> Tensor:
        weight, bias = ops.cast(self.weight, self.compute_dtype), ops.cast(self.bias, self.compute_dtype)
        y, _, _ = self.normalize(ops.cast(x, self.compute_dtype), weight, bias)
        return ops.cast(y, x.dtype)

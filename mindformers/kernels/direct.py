"""The native decode step without a graph around it: a graph's call costs as much as half a step of a small network."""

from __future__ import annotations

import ctypes

import numpy as np
from mindspore import Tensor

from mindformers.kernels.build import kernel_library
from mindformers.kernels.decode import Caches, DecodeWeights, NativeDecode, native_decode


def direct_decode(weights: DecodeWeights | None, caches: Caches) -> DirectDecode | None:
    """The step over these weights and caches, called directly; None as for `native_decode`.

    Args:
        weights, caches: as `native_decode`.
    """
    native = native_decode(weights, caches)
    return None if native is None else DirectDecode(native)


class DirectDecode:
    """Calls the library with the addresses that MindSpore's tensors have at the moment, so that weights may be loaded
    anew between two steps. The interpreter is free for other threads meanwhile.

    Args:
        native: the step; its graph is not used.
    """

    def __init__(self, native: NativeDecode) -> None:
        settings = [native.settings, native.eps, native.cos, native.sin, native.experts_per_token]
        self._tensors: list[Tensor] = [*settings, native.modality_table, *native.parameters]
        self._batch_size, self._vocab_size = native.batch_size, native.parameters[0].shape[0]
        self._count = len(self._tensors) + 3  # ids and positions before, logits behind
        self._result_shape = (ctypes.c_int64 * 2)()
        rows = (ctypes.c_int64 * 1)(self._batch_size)
        known = [(ctypes.c_int64 * len(tensor.shape))(*tensor.shape) for tensor in self._tensors]
        self._kept = [rows, rows, *known, self._result_shape]
        self._shapes = (ctypes.c_void_p * self._count)(*map(ctypes.addressof, self._kept))
        self._run = ctypes.CDLL(str(kernel_library())).scimind_decode_columns

    def __call__(self, ids: np.ndarray, positions: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Take one token of every row in.

        Args:
            ids, positions: int32 [B], as `NativeDecode`; a row at a negative position is idle.
            columns: int32 [K], the tokens whose logits are wanted; None for all V.

        Returns:
            float32 [B, K]: the same bits as those columns of all logits.

        Raises:
            ValueError: another shape or type.
            RuntimeError: an id or a position outside the model.
        """
        self._check(ids=ids, positions=positions)
        num_columns = self._vocab_size if columns is None else len(columns)
        logits = np.empty((self._batch_size, num_columns), np.float32)
        self._result_shape[:] = logits.shape
        weights = [tensor.data_ptr() for tensor in self._tensors]
        data = (ctypes.c_void_p * self._count)(ids.ctypes.data, positions.ctypes.data, *weights, logits.ctypes.data)
        if self._run(self._count, data, self._shapes, None if columns is None else _address(columns)):
            raise RuntimeError("the native decode step has failed, see the line above")
        return logits

    def _check(self, **inputs: np.ndarray) -> None:
        for name, values in inputs.items():
            if values.shape != (self._batch_size,) or values.dtype != np.int32 or not values.flags.c_contiguous:
                got = f"{values.dtype} {values.shape}"
                raise ValueError(f"{name}: got {got}, expected int32 ({self._batch_size},)")


def _address(columns: np.ndarray) -> ctypes.c_void_p:
    if columns.ndim != 1 or columns.dtype != np.int32 or not columns.flags.c_contiguous or not columns.size:
        raise ValueError(f"columns: got {columns.dtype} {columns.shape}, expected int32 (K,)")
    return ctypes.c_void_p(columns.ctypes.data)

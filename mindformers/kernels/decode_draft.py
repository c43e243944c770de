"""A copy of a network's weights rounded to bytes, which a step reads in a quarter of the time.

Its answers are nearly those of the network: it names tokens that an exact step then checks, several at once.
"""

from __future__ import annotations

import ctypes

import numpy as np
from mindspore import Parameter

from mindformers.kernels.decode_weights import DecodeWeights
from mindformers.kernels.large_pages import aligned_arrays

_LINE = 64


class RoundedWeights:
    """The weights of all products as int8 with a scale for every output; embedding, norms and routers stay exact.

    They are those of the moment when this is made.

    Args:
        library: that of the operators.
        weights: of the network.
    """

    def __init__(self, library: ctypes.CDLL, weights: DecodeWeights) -> None:
        self.weights = weights
        forms = []
        for parameter in self._products():
            outputs, width = parameter.shape
            forms += [((outputs, -(-width // _LINE) * _LINE), np.int8), ((outputs,), np.float32)]
        self._arrays = aligned_arrays(forms)
        self._round(library.scimind_decode_round)

    @property
    def num_bytes(self) -> int:
        """Memory that the copy takes."""
        return sum(array.nbytes for array in self._arrays)

    def pointers(self) -> ctypes.Array:
        """Bytes and scales, product by product, in the order of the library."""
        return (ctypes.c_void_p * len(self._arrays))(*(array.ctypes.data for array in self._arrays))

    def _round(self, function: ctypes._CFuncPtr) -> None:
        for place, parameter in enumerate(self._products()):
            bytes_of, scales = self._arrays[2 * place : 2 * place + 2]
            if not parameter.is_contiguous():
                parameter.set_data(parameter.contiguous())
            outputs, width = map(ctypes.c_int64, parameter.shape)
            where = ctypes.c_void_p(parameter.data_ptr())
            function(where, outputs, width, _address(bytes_of), _address(scales))

    def _products(self) -> list[Parameter]:
        found = [self.weights.head]
        for layer in self.weights.layers:
            found += [layer.wq, layer.wk, layer.wv, layer.wo, layer.w1, layer.w3, layer.w2]
        return found


def read_bytes(weights: DecodeWeights) -> int:
    """Of the products' weights: what an exact step reads."""
    return weights.head.nbytes + sum(tensor.nbytes for layer in weights.layers for tensor in layer.tensors())


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)

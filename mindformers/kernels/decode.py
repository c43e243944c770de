"""LLaMA's decode step in C++: tokens in, logits out, over the network's own weights and caches of its own.

It is called directly rather than as an operator of a graph: nothing is compiled, any number of tokens goes in at once,
and a step of a small network does not cost less than the call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindformers.kernels.build import kernel_library
from mindformers.kernels.decode_draft import RoundedWeights
from mindformers.kernels.decode_weights import ROUTINGS, DecodeWeights, check_weights
from mindformers.kernels.large_pages import aligned_zeros

NO_OUTPUT = -1
_OUTSIDE = 1


def native_decoder(
    weights: DecodeWeights | None, num_slots: int, length: int, num_ids: int | None = None
) -> NativeDecoder | None:
    """A decoder over these weights.

    Args:
        weights: of the network; None where it has none that the step can use.
        num_slots: texts that are continued together.
        length: tokens that a slot can hold.
        num_ids: V, the ids that are taken in and chosen from; None for all rows of the vocabulary table.

    Returns:
        The decoder, or None where there is no library, the device is no CPU, or a tensor is not float32.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    if weights is None or ms.get_context("device_target") != "CPU":
        return None
    if any(tensor.dtype != ms.float32 for tensor in weights.floats()):
        return None
    library = kernel_library()
    return None if library is None else NativeDecoder(library, weights, num_slots, length, num_ids)


class _Sizes(ctypes.Structure):
    """As `Sizes` in `decode_calls.cpp`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("width", "heads", "kv_heads", "neurons", "vocab", "positions")),
        *((name, ctypes.c_int64) for name in ("slots", "cache_length", "layers", "routing", "experts", "is_by_expert")),
        ("eps", ctypes.c_double),
    ]


class NativeDecoder:
    """Continues texts, each in a slot of its own.

    A token goes in as a row (slot, id, position, output): the text it continues, where in it it stands, and the row of
    the results that gets the logits behind it (`NO_OUTPUT` for none). Its logits have the same bits whatever the other
    rows are, how many there are and how many threads compute; so a prompt may go in at once or in any pieces.

    Args:
        library: from `build.kernel_library`.
        weights, num_slots, length, num_ids: as `native_decoder`.
    """

    def __init__(
        self, library: Path, weights: DecodeWeights, num_slots: int, length: int, num_ids: int | None = None
    ) -> None:
        check_weights(weights)
        if num_slots < 1 or length < 1:
            raise ValueError(f"slots: got {num_slots} of {length} tokens, expected at least one of each")
        num_rows = weights.embedding.shape[0]
        if num_ids is not None and not 1 <= num_ids <= num_rows:
            raise ValueError(f"ids: got {num_ids}, expected 1 to the table's {num_rows}")
        self.library, self.weights, self.num_slots, self.length = ctypes.CDLL(str(library)), weights, num_slots, length
        self.vocab_size = num_ids or num_rows
        shape = (len(weights.layers), 2, num_slots, weights.num_kv_heads, length, weights.head_dim)
        self.caches = aligned_zeros(shape)
        self._sizes, self._tensors = _sizes(weights, num_slots, length, self.vocab_size), weights.tensors()

    def step(
        self,
        rows: np.ndarray,
        num_outputs: int,
        columns: np.ndarray | None = None,
        rounded: RoundedWeights | None = None,
    ) -> np.ndarray:
        """Take tokens in.

        Args:
            rows: int32 [R, 4]; those of one slot in the order of their positions.
            num_outputs: O; every output from 0 to O - 1 is that of one row.
            columns: int32 [K], at least one, the ids whose logits are wanted; None for all V.
            rounded: in place of the network's weights; what is then left in the caches is nearly right only, and an
                exact step at the same positions writes over it. Bits depend on the other rows.

        Returns:
            float32 [O, K], logits; of some columns they have the bits that they have among all.

        Raises:
            ValueError: a slot, id, position or column outside the model, or an input of another shape.
        """
        rows = _rows(rows)
        asked = np.sort(rows[:, 3][rows[:, 3] != NO_OUTPUT])
        if asked.tolist() != list(range(num_outputs)):
            raise ValueError(f"outputs: got {asked.tolist()}, expected each of 0 to {num_outputs - 1} once")
        wanted = np.ascontiguousarray([] if columns is None else columns, np.int32)
        if wanted.ndim != 1 or (columns is not None and not wanted.size):
            raise ValueError(f"columns: got shape {wanted.shape}, expected (K,)")
        logits = np.empty((num_outputs, self.vocab_size if columns is None else wanted.size), np.float32)
        pointers = None if rounded is None else rounded.pointers()
        where = (_address(wanted), ctypes.c_int64(wanted.size), pointers, _address(logits))
        self._call(self.library.scimind_decode_step, rows, *where)
        return logits

    def continue_greedily(
        self, rows: np.ndarray, counts: np.ndarray, num_steps: int, end_token_id: int = -1, stop_at_end: bool = False
    ) -> np.ndarray:
        """Several steps whose most likely token (the lowest of equal ones) goes in again.

        Args:
            rows: int32 [R, 4], the last token of as many slots; outputs do not matter.
            counts: int32 [R], tokens each row may get, at least 1; the slot has room for them.
            num_steps: n, at least 1.
            end_token_id: the token behind which a row ends; -1 for none.
            stop_at_end: stop all rows with the first one that ends.

        Returns:
            int32 [R, n], the tokens behind those given; -1 behind a row's end.

        Raises:
            ValueError: as `step`.
        """
        rows, counts = _rows(rows), np.ascontiguousarray(counts, np.int32)
        if num_steps < 1 or counts.shape != rows.shape[:1]:
            raise ValueError(f"steps: got {num_steps} and {counts.shape} counts, expected {rows.shape[:1]}")
        chosen = np.empty((len(rows), num_steps), np.int32)
        end, stops = ctypes.c_int32(end_token_id), ctypes.c_int(stop_at_end)
        where = (_address(counts), ctypes.c_int64(num_steps), end, stops, _address(chosen))
        self._call(self.library.scimind_decode_greedy, rows, *where)
        return chosen

    def rearrange(self, sources: Sequence[int], length: int) -> None:
        """Give slot b the first `length` positions of slot sources[b]."""
        self.caches[:, :, :, :, :length] = self.caches[:, :, list(sources), :, :length]

    def _call(self, function: ctypes._CFuncPtr, rows: np.ndarray, *others: ctypes._SimpleCData) -> None:
        told = (
            ctypes.byref(self._sizes),
            self._pointers(),
            _address(self.caches),
            _address(rows),
            ctypes.c_int64(len(rows)),
        )
        status = function(*told, *others)
        if status == _OUTSIDE:
            size = f"{self.num_slots} slots of {self.length} tokens and {self.vocab_size} ids"
            raise ValueError(f"rows or columns: got one outside the model, expected {size}")
        if status:
            raise RuntimeError("the native decode step failed, see the message above")

    def _pointers(self) -> ctypes.Array:
        """Where the tensors are now: they move when a parameter gets a new value."""
        return (ctypes.c_void_p * len(self._tensors))(*map(_pointer, self._tensors))


def _sizes(weights: DecodeWeights, num_slots: int, length: int, num_ids: int) -> _Sizes:
    return _Sizes(
        width=weights.embedding.shape[1],
        heads=weights.num_heads,
        kv_heads=weights.num_kv_heads,
        neurons=weights.layers[0].w1.shape[0],
        vocab=num_ids,
        positions=weights.cos.shape[0],
        slots=num_slots,
        cache_length=length,
        layers=len(weights.layers),
        routing=ROUTINGS[weights.routing],
        experts=weights.num_experts,
        is_by_expert=weights.is_by_expert,
        eps=weights.eps,
    )


def _pointer(tensor: Tensor | None) -> int | None:
    if tensor is None:
        return None
    if not tensor.is_contiguous():  # a parameter that was set to a view
        tensor.set_data(tensor.contiguous())
    return tensor.data_ptr()


def _rows(rows: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(rows, np.int32)
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ValueError(f"rows: got shape {rows.shape}, expected (R, 4)")
    return rows


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)

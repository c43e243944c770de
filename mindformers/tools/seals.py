"""Seals: from them a reader knows that a safetensors file is, to the bit, what was written.

The head's texts hold a digest (BLAKE2b, 128 bits, RFC 7693) of every tensor and, over the whole head with these in it,
the seal. So the seal stands for all of the file, a damaged tensor can be named, and tensors can be checked alone.

    "__metadata__": {"seal": "blake2b-128:5f0c...", "digests": "91ab...", ...}, "x": {"dtype": "F32", ...}, ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

SEAL, DIGESTS = "seal", "digests"
_BYTES = 16
_HEX = 2 * _BYTES
_MARK = "blake2b-128:"


def new_digest() -> hashlib.blake2b:
    """A digest that is fed by `update` and read by `hexdigest`."""
    return hashlib.blake2b(digest_size=_BYTES)


def blank_digest() -> str:
    """As long as a digest."""
    return "0" * _HEX


def texts_of(digests: Sequence[str]) -> dict[str, str]:
    """The texts of a head that is about to be sealed, its tensors having these digests."""
    return {SEAL: _MARK + blank_digest(), DIGESTS: "".join(digests)}


def sealed(head: bytes) -> tuple[bytes, str]:
    """A head with the seal in the place that `texts_of` left blank, and the seal."""
    seal = _digest(head)
    return head.replace((_MARK + blank_digest()).encode(), (_MARK + seal).encode(), 1), seal


def checked_seal(head: bytes, texts: Mapping[str, str]) -> str | None:
    """The seal of a head as it was read; None for a file that was written elsewhere and has none.

    Args:
        head: all bytes in front of the tensors.
        texts: the head's texts, as far as they can be read.

    Raises:
        ValueError: the head is not what was sealed. A single damaged place cannot hide both of a seal's two signs.
    """
    place = head.find(_MARK.encode())
    if place < 0 and SEAL not in texts and DIGESTS not in texts:
        return None
    start = place + len(_MARK)
    found = head[start : start + _HEX]
    if place < 0 or found != _digest(head[:start] + blank_digest().encode() + head[start + _HEX :]).encode():
        raise ValueError("it is not what was sealed")
    return found.decode()


def digests_of(texts: Mapping[str, str]) -> list[str]:
    """The digests of a checked head's tensors, in the order of their places."""
    joined = texts[DIGESTS]
    return [joined[i : i + _HEX] for i in range(0, len(joined), _HEX)]


def _digest(head: bytes) -> str:
    digest = new_digest()
    digest.update(head)
    return digest.hexdigest()

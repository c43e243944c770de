"""Choices that look random and are the same in every run, order and process."""

from __future__ import annotations

from hashlib import blake2b

RANGE = 1 << 64


def stable_number(purpose: str, seed: int, text: str) -> int:
    """A number in 0..2**64-1 that looks random but is a function of its arguments.

    Args:
        purpose: keeps one choice independent of another, e.g. `split`; at most 16 bytes.
        seed: another seed gives other numbers.
        text: what is chosen for, e.g. a SMILES.
    """
    digest = blake2b(f"{seed}\n{text}".encode(), digest_size=8, person=purpose.encode()).digest()
    return int.from_bytes(digest, "big")


def chosen(options: tuple[str, ...], purpose: str, seed: int, text: str) -> str:
    """One of the options, as `stable_number` says."""
    return options[stable_number(purpose, seed, text) % len(options)]

"""What a source is, and how one is found by the name of its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mindformers.dataset.example import BadRow, Example
from mindformers.tools.errors import InputError
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


class Source(ABC):
    """Reads one file format.

    Args:
        seq_length: tokens that a record holds; sequences that are longer come in windows.

    Attributes:
        template: name of the template that conversations of this format use unless another is asked for.
        packs: whether several of its examples share a record unless the user says otherwise.
        suffixes: ends of the names of its files, archives left aside; empty for any.
        options: names of what else `__init__` takes.
        checks_molecules: whether RDKit must be able to read its molecules unless the user says otherwise.
    """

    template: str = "vicuna"
    packs: bool = False
    suffixes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    checks_molecules: bool = False

    def __init__(self, seq_length: int = 2048) -> None:
        self.seq_length = seq_length

    @abstractmethod
    def read(self, path: Path) -> Iterator[Example | BadRow]:
        """The examples of a file, in order, and a BadRow for each row that is none.

        Raises:
            InputError: the file as a whole cannot be used.
        """


def register_source(name: str) -> Callable[[type], type]:
    """Class decorator: make a source known as `--dataset_type name`."""
    return MindFormerRegister.register(MindFormerModuleType.SOURCE, name)


def source_class(name: str) -> type[Source]:
    """The source registered under a name. Raises InputError where there is none."""
    return MindFormerRegister.get(MindFormerModuleType.SOURCE, name, "dataset_type")


def make_source(name: str, seq_length: int = 2048, **options: Any) -> Source:
    """A source of the format `name`.

    Args:
        name: a name of `source_names()`.
        seq_length: tokens that a record holds.
        options: further arguments of its class; those that are None are not given.

    Raises:
        InputError: an unknown name, an option that the format does not have, or a value out of range.
    """
    source = source_class(name)
    given = {key: value for key, value in options.items() if value is not None}
    for key in given.keys() - set(source.options):
        having = ", ".join(other for other in source_names() if key in source_class(other).options)
        raise InputError(key, f"has no meaning for '{name}'", f"dataset_type {having}", f"leave {key} out")
    return source(seq_length, **given)


def source_names() -> list[str]:
    """Names of all formats."""
    return MindFormerRegister.names(MindFormerModuleType.SOURCE)

"""Whether an adapter belongs to a base: names, shapes, vocabulary, and the base's own values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.pet.adapter_file import StoredAdapter
from mindformers.pet.fingerprint import digests_of, whole_digest
from mindformers.pet.lora_config import Shapes
from mindformers.pet.names import LORA_A, LORA_B, NEW_ROWS, is_adapters, weight_of
from mindformers.tools.errors import InputError
from mindformers.tools.weight_files import WeightSource

UNMERGED = "unmerged_adapter"
_MOST_NAMES = 3


def check_shapes(adapter: StoredAdapter, base: Shapes) -> None:
    """Hold an adapter's names and shapes against a base's.

    Args:
        adapter: as it was read.
        base: name -> shape of the base's weights.

    Raises:
        InputError: a weight that the adapter adds to is not there or has another shape.
    """
    for name, wanted in trained_on(adapter).items():
        if name not in base:
            raise _foreign(adapter, f"the base has no {name}, which it adds to")
        if tuple(base[name]) != wanted:
            raise _foreign(adapter, f"{name} is {list(base[name])} in the base, {list(wanted)} where it was trained")


def trained_on(adapter: StoredAdapter) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the base weights that an adapter adds to."""
    arrays = adapter.arrays
    shapes = {}
    for cell in adapter.config.ranks:
        shapes[weight_of(cell)] = (arrays[cell + LORA_B].shape[0], arrays[cell + LORA_A].shape[1])
    for name, array in arrays.items():
        if name.endswith(NEW_ROWS):
            shapes[name.removesuffix(NEW_ROWS)] = (adapter.config.vocab_size, array.shape[1])
    return shapes


def check_base(adapter: StoredAdapter, base: str | Path) -> None:
    """Hold a base's values against those that an adapter was trained on.

    Args:
        adapter: as it was read.
        base: the base's file.

    Raises:
        InputError: a weight is missing or differs by a bit.
    """
    source = open_checkpoint(Path(base))
    refuse_adapter(base, source.tensors)
    check_shapes(adapter, {name: stored.shape for name, stored in source.tensors.items()})
    check_digests(adapter, source, str(base))


def refuse_adapter(path: str | Path, names: Iterable[str]) -> None:
    """Raises InputError where a file that should be a base holds an adapter's weights and nothing else."""
    names = list(names)
    if names and all(map(is_adapters, names)):
        expected, mend = "the weights of its base", f"pass --adapter {path} instead, and the base as --load_checkpoint"
        raise InputError("load_checkpoint", f"'{path}' is a LoRA adapter", expected, mend)


def check_digests(adapter: StoredAdapter, source: WeightSource, where: str) -> None:
    """As `check_base`, for a base that has been opened."""
    wanted = adapter.config.base_weights
    missing = [name for name in wanted if name not in source.tensors]
    if missing:
        raise _foreign(adapter, f"'{where}' has no {_listed(missing)}")
    found = digests_of(source, wanted)
    if whole_digest(found) in (adapter.config.base_model_hash, stands_for(source.metadata, adapter)):
        return
    other = [name for name in wanted if found[name] != wanted[name]]
    hashes = f"{whole_digest(found)} instead of {adapter.config.base_model_hash}"
    raise _foreign(adapter, f"'{where}' is {hashes}: {len(other)} of {len(wanted)} weights differ, {_listed(other)}")


def stands_for(metadata: Mapping[str, str], adapter: StoredAdapter) -> str | None:
    """The hash of a base that was unmerged, and so differs by rounding, if it is the adapter's; see `merging`."""
    own, _, original = metadata.get(UNMERGED, "").partition(" ")
    return own if original == adapter.config.base_model_hash else None


def _foreign(adapter: StoredAdapter, got: str) -> InputError:
    config = adapter.config
    expected = f"the base it was trained on ('{config.base_model}', recipe {config.recipe})"
    return InputError(adapter.what, f"does not fit: {got}", expected, "pass that one as --load_checkpoint")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown

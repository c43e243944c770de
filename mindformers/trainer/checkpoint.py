"""Weights and training state to files and back; nothing is loaded that is damaged or does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor, nn

from mindformers.core.optimizer import STATE_PREFIXES
from mindformers.models.checkpoint_file import open_checkpoint, stored_of, typed
from mindformers.models.checkpoint_parts import ANEW, LAYOUT
from mindformers.parallel.spreading import Spread
from mindformers.pet.fitting import refuse_adapter
from mindformers.pet.names import is_adapters
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger
from mindformers.tools.number_types import BFLOAT16, to_float32
from mindformers.tools.weight_files import Outgoing, SafetensorsFile, Stored, in_file_order, write_safetensors
from mindformers.trainer.checkpoint_files import (
    OWN_TEXTS,
    CheckpointName,
    clear_leftovers,
    find_checkpoint,
    set_parts_aside,
    settle_parts,
    state_of,
    state_path,
    texts_for,
)

logger = get_logger(__name__)
_TRAINING_ENTRIES = re.compile(
    r"^(?:adam_[mv]\.|moment[12]\.|accu_grads)|^(?:global_step|learning_rate|epoch_num|step_num|loss_scale|scale_sense|"
    r"beta[12]_power|current_iterator_step|last_overflow_iterator_step|random_op|dataset_position|__.*__)"
)
_MOST_NAMES = 5
ROUTER_PART = ".feed_forward.router."


def save_weights(
    parameters: Iterable[Parameter],
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    spread: Spread | None = None,
) -> str:
    """Write parameters under their names as safetensors, sealed, one after the other: no copy of all is made.

    Args:
        parameters: what to save.
        path: the file; it appears only when it is complete and on the disk.
        metadata: texts to keep in the file's head.
        spread: how they are spread over the devices, all of which must call this; the first of them writes.

    Returns:
        The file's seal; empty on a device that does not write.
    """
    tensors = [outgoing(p, spread or Spread()) for p in parameters]
    if spread is not None and not spread.mesh.is_first:
        for tensor in in_file_order(tensors):
            if spread.layout.is_spread(tensor.name):
                tensor.blocks()
        return ""
    return write_safetensors(path, tensors, {"format": "mindspore", **(metadata or {})})


def outgoing(parameter: Parameter, spread: Spread) -> Outgoing:
    """A parameter as a whole on its way into a file."""
    stored = Stored(stored_of(parameter).dtype, spread.shape(parameter))
    return Outgoing(parameter.name, stored, lambda: [typed(parameter, spread.whole(parameter))])


def save_checkpoint(
    folder: Path,
    name: CheckpointName,
    weights: Iterable[Parameter],
    state: Iterable[Parameter],
    progress: Mapping[str, str],
    metadata: Mapping[str, str] | None = None,
    parts: Sequence[Path] = (),
    spread: Spread | None = None,
) -> Path:
    """Write a checkpoint: first the training state, then the weights, which make it complete.

    Args:
        folder, name: where, and under which name.
        weights: what a model needs to answer.
        state: what only training needs: the optimizer's.
        progress: how far the run is, as texts.
        metadata: texts for the head of the weights.
        parts: files of other ranks in the same folder, already written, without which this checkpoint is not complete.
        spread: how weights and state are spread over the devices, all of which must call this; the first writes.

    Returns:
        The file of the weights.
    """
    path = folder / name.file()
    if spread is not None and not spread.mesh.is_first:
        save_weights(state, state_path(path), spread=spread)
        save_weights(weights, path, spread=spread)
        return path
    with _replaced_checkpoint(path, name):
        seals = seals_of(parts)
        seals[state_path(path).name] = save_weights(state, state_path(path), progress, spread)
        save_weights(weights, path, {**(metadata or {}), **texts_for(folder, name.prefix, seals)}, spread)
    return path


def save_parts(
    folder: Path,
    name: CheckpointName,
    weights: Sequence[Parameter],
    state: Sequence[Parameter],
    progress: Mapping[str, str],
    metadata: Mapping[str, str] | None,
    spread: Spread,
) -> Path:
    """As `save_checkpoint`, but every device writes what it holds; all of them must call this and see the folder.

    What several devices hold is written by the first of them. The first device's weights come last and make it
    complete; they tell how everything was spread.
    """
    mesh, layout, path = spread.mesh, spread.layout, folder / name.file()
    own = folder / replace(name, rank=mesh.rank).file()
    with _replaced_checkpoint(path, name) if mesh.is_first else nullcontext():
        mesh.wait()
        if found := _written_here(state, spread):
            save_weights(found, state_path(own), progress)
        if not mesh.is_first and (found := _written_here(weights, spread)):
            save_weights(found, own)
        mesh.wait()
        if mesh.is_first:
            seals = seals_of(_expected_parts(folder, name, weights, state, spread))
            texts = {LAYOUT: layout.to_text(), **texts_for(folder, name.prefix, seals)}
            save_weights(_written_here(weights, spread), path, {**(metadata or {}), **texts})
    return path


def _written_here(parameters: Iterable[Parameter], spread: Spread) -> list[Parameter]:
    mesh, layout = spread.mesh, spread.layout
    return [p for p in parameters if layout.is_written_by(p.name, mesh.data_rank, mesh.tensor_rank)]


def _expected_parts(
    folder: Path, name: CheckpointName, weights: Iterable[Parameter], state: Iterable[Parameter], spread: Spread
) -> Iterator[Path]:
    """The files that all devices have written but the first one's weights."""
    mesh, layout = spread.mesh, spread.layout
    for rank in range(mesh.size):
        path, place = folder / replace(name, rank=rank).file(), divmod(rank, mesh.tensor)
        if any(layout.is_written_by(p.name, *place) for p in state):
            yield state_path(path)
        if rank and any(layout.is_written_by(p.name, *place) for p in weights):
            yield path


def seals_of(parts: Iterable[Path]) -> dict[str, str]:
    """File name -> seal."""
    return {part.name: SafetensorsFile(part).seal for part in parts}


@contextmanager
def _replaced_checkpoint(path: Path, name: CheckpointName) -> Iterator[None]:
    """Around the writing of a checkpoint: one of the same name stays whole until the new one's weights are there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent, name.prefix)
    set_parts_aside(path)
    try:
        yield
    finally:
        settle_parts(path)


def kept_metadata(path: str | Path) -> dict[str, str]:
    """Texts in a checkpoint's head that later checkpoints of the same weights carry on, e.g. `neuron_order`."""
    texts = open_checkpoint(Path(path), "load_checkpoint").metadata if Path(path).suffix == ".safetensors" else {}
    return {name: text for name, text in texts.items() if name not in OWN_TEXTS}


def is_training_entry(name: str) -> bool:
    """Whether an entry of a checkpoint is the state of its training, not a weight."""
    return bool(_TRAINING_ENTRIES.match(name))


def load_weights(net: nn.Cell, path: str | Path, without_routers: bool = False, spread: Spread | None = None) -> Path:
    """Give a network the weights of a checkpoint; each must be there, in its shape, and nothing else.

    Learned routers that the file has and the network does not use are left out, with a line that says so.

    Args:
        net: the network.
        path: a file, or a folder whose newest checkpoint is taken.
        without_routers: the file need not have the network's learned routers, which then keep their values.
        spread: how the network is spread over the devices; a device then keeps its part of each weight as it is read.

    Returns:
        The file that was read.

    Raises:
        InputError: the list of what is missing, unexpected or of another shape; the network is unchanged.
    """
    path = find_checkpoint(path)
    source = open_checkpoint(path, "load_checkpoint")
    stored = {name: entry for name, entry in source.tensors.items() if not is_training_entry(name)}
    wanted = {p.name: p for p in net.get_parameters() if not is_adapters(p.name)}
    if without_routers:
        wanted = {name: p for name, p in wanted.items() if ROUTER_PART not in name}
    unused = [name for name in stored if ROUTER_PART in name and name not in wanted]
    if unused:
        logger.info("%d entries of learned routers in %s are not used by this network", len(unused), path)
    spread = spread or Spread()
    shapes = {name: spread.shape(p) for name, p in wanted.items()}
    _check_fit(path, shapes, {name: entry for name, entry in stored.items() if name not in unused})
    source.check()
    for name, parameter in wanted.items():
        _set(parameter, spread.own(name, source.read(name)))
    logger.info("loaded %d weights from %s", len(wanted), path)
    return path


def _set(parameter: Parameter, values: np.ndarray) -> None:
    parameter.set_data(Tensor(to_float32(values) if values.dtype == BFLOAT16 else values, parameter.dtype))


def _check_fit(path: Path, wanted: Mapping[str, tuple[int, ...]], stored: Mapping[str, Stored]) -> None:
    refuse_adapter(path, stored)
    missing = [name for name in wanted if name not in stored]
    unexpected = [name for name in stored if name not in wanted]
    other = [
        f"{name} {tuple(stored[name].shape)} instead of {shape}"
        for name, shape in wanted.items()
        if name in stored and tuple(stored[name].shape) != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": other}
    found = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if found:
        only_routers = missing and all(ROUTER_PART in name for name in missing) and not (unexpected or other)
        mend = "check model.model_config against the recipe it was trained with"
        raise InputError(
            "load_checkpoint",
            f"'{path}' does not fit the network: {' / '.join(found)}",
            f"the {len(wanted)} weights of this model",
            "make the routers with --run_mode tune_routers" if only_routers else mend,
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown


def load_state(optimizer_state: Iterable[Parameter], checkpoint: Path, spread: Spread | None = None) -> dict[str, str]:
    """Read the state that belongs to a checkpoint into the optimizer.

    Args:
        optimizer_state: as it is on this device.
        checkpoint: the file of the weights.
        spread: how it is spread over the devices.

    Returns:
        The run's progress as it was saved.

    Raises:
        InputError: there is no state beside the checkpoint, or it is damaged, of another save, or does not fit.
    """
    file, state, spread = state_of(checkpoint), list(optimizer_state), spread or Spread()
    if "progress" not in file.metadata:
        raise InputError("resume_training", f"'{file.path}' says nothing of the run's progress", "a state file", ANEW)
    if {name: stored.shape for name, stored in file.tensors.items()} != {p.name: spread.shape(p) for p in state}:
        raise InputError(
            "resume_training",
            f"'{file.path}' holds the state of other weights",
            f"entries {' and '.join(STATE_PREFIXES)} of this network",
            "resume with the recipe of that run",
        )
    file.check()
    for parameter in state:
        _set(parameter, spread.own(parameter.name, file.read(parameter.name)))
    return dict(file.metadata)

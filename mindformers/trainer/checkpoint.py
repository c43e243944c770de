"""Weights and training state to files and back; nothing is loaded that is damaged or does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor, nn

from mindformers.core.optimizer import STATE_PREFIXES
from mindformers.models.checkpoint_file import open_checkpoint, stored_of, values_of
from mindformers.pet.fitting import refuse_adapter
from mindformers.pet.names import is_adapters
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger
from mindformers.tools.number_types import BFLOAT16, to_float32
from mindformers.tools.weight_files import Outgoing, SafetensorsFile, Stored, write_safetensors
from mindformers.trainer.checkpoint_files import (
    ANEW,
    OWN_TEXTS,
    CheckpointName,
    clear_leftovers,
    find_checkpoint,
    set_state_aside,
    settle_state,
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


def save_weights(parameters: Iterable[Parameter], path: str | Path, metadata: Mapping[str, str] | None = None) -> str:
    """Write parameters under their names as safetensors, sealed, one after the other: no copy of all is made.

    Args:
        parameters: what to save.
        path: the file; it appears only when it is complete and on the disk.
        metadata: texts to keep in the file's head.

    Returns:
        The file's seal.
    """
    tensors = [Outgoing(p.name, stored_of(p), lambda p=p: [values_of(p)]) for p in parameters]
    return write_safetensors(path, tensors, {"format": "mindspore", **(metadata or {})})


def save_checkpoint(
    folder: Path,
    name: CheckpointName,
    weights: Iterable[Parameter],
    state: Iterable[Parameter],
    progress: Mapping[str, str],
    metadata: Mapping[str, str] | None = None,
    parts: Sequence[Path] = (),
) -> Path:
    """Write a checkpoint: first the training state, then the weights, which make it complete.

    Args:
        folder, name: where, and under which name.
        weights: what a model needs to answer.
        state: what only training needs: the optimizer's.
        progress: how far the run is, as texts.
        metadata: texts for the head of the weights.
        parts: files of other ranks in the same folder, already written, without which this checkpoint is not complete.

    Returns:
        The file of the weights.
    """
    path = folder / name.file()
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder, name)
    set_state_aside(path)
    try:
        seals = {part.name: SafetensorsFile(part).seal for part in parts}
        seals[state_path(path).name] = save_weights(state, state_path(path), progress)
        save_weights(weights, path, {**(metadata or {}), **texts_for(folder, name.prefix, seals)})
    finally:
        settle_state(path)
    return path


def kept_metadata(path: str | Path) -> dict[str, str]:
    """Texts in a checkpoint's head that later checkpoints of the same weights carry on, e.g. `neuron_order`."""
    texts = open_checkpoint(Path(path), "load_checkpoint").metadata if Path(path).suffix == ".safetensors" else {}
    return {name: text for name, text in texts.items() if name not in OWN_TEXTS}


def is_training_entry(name: str) -> bool:
    """Whether an entry of a checkpoint is the state of its training, not a weight."""
    return bool(_TRAINING_ENTRIES.match(name))


def load_weights(net: nn.Cell, path: str | Path, without_routers: bool = False) -> Path:
    """Give a network the weights of a checkpoint; each must be there, in its shape, and nothing else.

    Learned routers that the file has and the network does not use are left out, with a line that says so.

    Args:
        net: the network.
        path: a file, or a folder whose newest checkpoint is taken.
        without_routers: the file need not have the network's learned routers, which then keep their values.

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
    _check_fit(path, wanted, {name: entry for name, entry in stored.items() if name not in unused})
    source.check()
    for name, parameter in wanted.items():
        _set(parameter, source.read(name))
    logger.info("loaded %d weights from %s", len(wanted), path)
    return path


def _set(parameter: Parameter, values: np.ndarray) -> None:
    parameter.set_data(Tensor(to_float32(values) if values.dtype == BFLOAT16 else values, parameter.dtype))


def _check_fit(path: Path, wanted: dict[str, Parameter], stored: dict[str, Stored]) -> None:
    refuse_adapter(path, stored)
    missing = [name for name in wanted if name not in stored]
    unexpected = [name for name in stored if name not in wanted]
    other = [
        f"{name} {tuple(stored[name].shape)} instead of {tuple(p.shape)}"
        for name, p in wanted.items()
        if name in stored and tuple(stored[name].shape) != tuple(p.shape)
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


def load_state(optimizer_state: Iterable[Parameter], checkpoint: Path) -> dict[str, str]:
    """Read the state that belongs to a checkpoint into the optimizer.

    Returns:
        The run's progress as it was saved.

    Raises:
        InputError: there is no state beside the checkpoint, or it is damaged, of another save, or does not fit.
    """
    file, state = state_of(checkpoint), list(optimizer_state)
    if "progress" not in file.metadata:
        raise InputError("resume_training", f"'{file.path}' says nothing of the run's progress", "a state file", ANEW)
    if {name: stored.shape for name, stored in file.tensors.items()} != {p.name: tuple(p.shape) for p in state}:
        raise InputError(
            "resume_training",
            f"'{file.path}' holds the state of other weights",
            f"entries {' and '.join(STATE_PREFIXES)} of this network",
            "resume with the recipe of that run",
        )
    file.check()
    for parameter in state:
        _set(parameter, file.read(parameter.name))
    return dict(file.metadata)

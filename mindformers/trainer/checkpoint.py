"""Weights to files and back. Files are written beside their name and renamed; nothing is loaded that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mindformers.core.optimizer import STATE_PREFIXES
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, replaced_file
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
STATE_SUFFIX = ".state.safetensors"
_NAME = re.compile(r"^(?P<prefix>.+)_rank_(?P<rank>\d+)-(?P<epoch>\d+)_(?P<step>\d+)\.(?:safetensors|ckpt)$")
_TRAINING_ENTRIES = re.compile(
    r"^(?:adam_[mv]\.|moment[12]\.|accu_grads)|^(?:global_step|learning_rate|epoch_num|step_num|loss_scale|scale_sense|"
    r"beta[12]_power|current_iterator_step|last_overflow_iterator_step|random_op|dataset_position|__.*__)"
)
_MOST_NAMES = 5
ROUTER_PART = ".feed_forward.router."
_ANEW = "pass --resume_training False to start anew from these weights"


@dataclass(frozen=True)
class CheckpointName:
    """`{prefix}_rank_{r}-{epoch}_{step}`: epoch from 1, step within the epoch from 1."""

    prefix: str
    epoch: int
    step: int
    rank: int = 0

    def file(self, suffix: str = ".safetensors") -> str:
        """The file's name."""
        return f"{self.prefix}_rank_{self.rank}-{self.epoch}_{self.step}{suffix}"


def save_weights(parameters: Iterable[Parameter], path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write parameters under their names as safetensors, whole or not at all.

    Args:
        parameters: what to save.
        path: the file; it appears only when it is complete.
        metadata: texts to keep in the file's head.
    """
    arrays = {p.name: np.ascontiguousarray(p.asnumpy()) for p in parameters}
    with replaced_file(path) as beside:
        save_file(arrays, beside, metadata={"format": "mindspore", **(metadata or {})})


def find_checkpoint(path: str | Path) -> Path:
    """The file that a user's path means: the file itself, or a folder's newest checkpoint.

    Raises:
        InputError: nothing there, or a format that is not read.
    """
    path = Path(path)
    if path.is_dir():
        return _newest_in(path)
    existing_file(path, "load_checkpoint")
    if path.suffix not in (".safetensors", ".ckpt"):
        raise InputError(
            "load_checkpoint",
            f"'{path}' has the suffix '{path.suffix}'",
            "a .safetensors or MindSpore .ckpt file",
            "pickled weights are not read, since loading them can run code",
        )
    return path


def _newest_in(folder: Path) -> Path:
    inner = folder / "checkpoint"
    for place in (folder, inner):
        named = [(m, f) for f in sorted(place.glob("*")) if (m := _NAME.match(f.name)) and ".state." not in f.name]
        if named:
            return max(named, key=lambda found: (int(found[0]["epoch"]), int(found[0]["step"])))[1]
        if (place / "model.safetensors").is_file():
            return place / "model.safetensors"
    raise InputError(
        "load_checkpoint",
        f"no checkpoint in '{folder}'",
        "a file such as NAME_rank_0-1_100.safetensors",
        "name the file itself",
    )


def name_of(path: Path) -> CheckpointName | None:
    """What a checkpoint's file name says, or None for another name."""
    match = _NAME.match(path.name)
    if match is None:
        return None
    return CheckpointName(match["prefix"], int(match["epoch"]), int(match["step"]), int(match["rank"]))


def kept_metadata(path: str | Path) -> dict[str, str]:
    """Texts in a checkpoint's head that later checkpoints of the same weights carry on, e.g. `neuron_order`."""
    if Path(path).suffix != ".safetensors":
        return {}
    with safe_open(path, framework="np") as file:
        return {name: text for name, text in (file.metadata() or {}).items() if name != "format"}


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """All entries of a .safetensors or .ckpt file.

    Raises:
        InputError: the file is damaged or of another kind.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {name: p.asnumpy() for name, p in ms.load_checkpoint(str(path)).items()}
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            "load_checkpoint", f"'{path}' cannot be read ({reason})", "a whole checkpoint", "copy it again"
        ) from error


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
    stored = {name: array for name, array in read_weights(path).items() if not _TRAINING_ENTRIES.match(name)}
    wanted = {p.name: p for p in net.get_parameters() if not (without_routers and ROUTER_PART in p.name)}
    unused = [name for name in stored if ROUTER_PART in name and name not in wanted]
    if unused:
        logger.info("%d entries of learned routers in %s are not used by this network", len(unused), path)
    _check_fit(path, wanted, {name: array for name, array in stored.items() if name not in unused})
    for name, parameter in wanted.items():
        parameter.set_data(Tensor(stored[name], parameter.dtype))
    logger.info("loaded %d weights from %s", len(wanted), path)
    return path


def _check_fit(path: Path, wanted: dict[str, Parameter], stored: dict[str, np.ndarray]) -> None:
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


def save_state(optimizer_state: Iterable[Parameter], path: Path, progress: dict[str, str]) -> None:
    """Write the optimizer's state and the run's progress beside a checkpoint."""
    save_weights(optimizer_state, path, progress)


def load_state(optimizer_state: Iterable[Parameter], checkpoint: Path) -> dict[str, str]:
    """Read the state that belongs to a checkpoint into the optimizer.

    Returns:
        The run's progress as it was saved.

    Raises:
        InputError: there is no state beside the checkpoint, or it is damaged or does not fit.
    """
    path = checkpoint.with_name(checkpoint.name.removesuffix(".safetensors") + STATE_SUFFIX)
    if not path.is_file():
        raise InputError(
            "resume_training",
            f"'{path}' not found",
            "the training state beside the checkpoint",
            _ANEW,
        )
    state = list(optimizer_state)
    try:
        with safe_open(path, framework="np") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            progress = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError("resume_training", f"'{path}' cannot be read ({error})", "a whole file", _ANEW) from error
    if "progress" not in progress:
        raise InputError("resume_training", f"'{path}' says nothing of the run's progress", "a state file", _ANEW)
    if {name: array.shape for name, array in stored.items()} != {p.name: tuple(p.shape) for p in state}:
        raise InputError(
            "resume_training",
            f"'{path}' holds the state of other weights",
            f"entries {' and '.join(STATE_PREFIXES)} of this network",
            "resume with the recipe of that run",
        )
    for parameter in state:
        parameter.set_data(Tensor(stored[parameter.name]))
    return progress


def prune(folder: Path, prefix: str, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints of a prefix, with their states."""
    found = [(name_of(f), f) for f in folder.glob("*.safetensors") if STATE_SUFFIX not in f.name]
    ours = sorted(((n.epoch, n.step, f) for n, f in found if n and n.prefix == prefix), key=lambda item: item[:2])
    for _, _, file in ours[: max(len(ours) - keep, 0)]:
        file.with_name(file.name.removesuffix(".safetensors") + STATE_SUFFIX).unlink(missing_ok=True)
        file.unlink()

"""The checkpoints in a folder: which are whole, which is the newest, which may go.

    m_rank_0-2_40.state.safetensors     the optimizer's state and the run's progress, written first
    m_rank_0-2_40.safetensors           the weights, written last; their head holds the seals of all parts

So a checkpoint is complete from the moment its weights appear. Where one is saved again under the same name, all else
that belongs to the old weights is set aside until the new weights have taken their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from mindformers.models.checkpoint_file import check_suffix, open_checkpoint
from mindformers.models.checkpoint_parts import (
    ANEW,
    ASIDE_SUFFIX,
    LAYOUT,
    PARTS,
    STATE_SUFFIX,
    PartedCheckpoint,
    aside,
    parts_of,
    sealed_part,
    whole_state,
)
from mindformers.tools.errors import InputError
from mindformers.tools.files import PART_SUFFIX, existing_file
from mindformers.tools.logging import get_logger
from mindformers.tools.weight_files import SafetensorsFile

logger = get_logger(__name__)
_NAME = re.compile(r"^(?P<prefix>.+)_rank_(?P<rank>\d+)-(?P<epoch>\d+)_(?P<step>\d+)\.(?:safetensors|ckpt)$")
_RANK = re.compile(r"_rank_\d+-(?=\d+_\d+$)")
_SERIAL = "checkpoint_serial"
OWN_TEXTS = ("format", _SERIAL, PARTS, LAYOUT)  # of a head: what belongs to one file and not to its weights


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


def name_of(path: Path) -> CheckpointName | None:
    """What a checkpoint's file name says, or None for another name."""
    match = _NAME.match(path.name)
    if match is None or path.name.endswith((STATE_SUFFIX, ASIDE_SUFFIX)):
        return None
    return CheckpointName(match["prefix"], int(match["epoch"]), int(match["step"]), int(match["rank"]))


def find_checkpoint(path: str | Path, for_training: bool = False) -> Path:
    """The file that a user's path means: the file itself, or a folder's newest whole checkpoint.

    Args:
        path: a file, which is checked when it is loaded, or a folder.
        for_training: in a folder, only a checkpoint with its whole training state will do.

    Raises:
        InputError: nothing there, nothing whole, or a format that is not read.
    """
    path = Path(path)
    if path.is_dir():
        return _newest_in(path, for_training)
    check_suffix(existing_file(path, "load_checkpoint"), "load_checkpoint")
    return path


def _newest_in(folder: Path, for_training: bool) -> Path:
    for place in (folder, folder / "checkpoint"):
        if named := checkpoints_in(place):
            return _first_whole(named, for_training)
        if (place / "model.safetensors").is_file():
            return place / "model.safetensors"
    raise InputError(
        "load_checkpoint",
        f"no checkpoint in '{folder}'",
        "a file such as NAME_rank_0-1_100.safetensors",
        "name the file itself",
    )


def _first_whole(files: list[Path], for_training: bool) -> Path:
    faults = []
    for file in files:
        try:
            check_checkpoint(file, for_training)
        except (InputError, OSError) as error:
            faults.append(error.got if isinstance(error, InputError) else f"'{file}' {error.strerror}")
            logger.warning("passed over a checkpoint: %s", faults[-1])
            continue
        return file
    got = f"none of the {len(files)} checkpoints in '{files[0].parent}' is whole; of the newest: {faults[0]}"
    raise InputError("load_checkpoint", got, "one that was written to its end", "name another folder or file")


def checkpoints_in(folder: Path, prefix: str | None = None) -> list[Path]:
    """The checkpoints of a folder, those saved last first; the file of rank 0 stands for all files of a checkpoint."""
    found = [(name, file) for file in sorted(folder.glob("*")) if (name := name_of(file)) and name.rank == 0]
    ours = [(_serial_of(file), name.epoch, name.step, file) for name, file in found if prefix in (None, name.prefix)]
    return [file for *_, file in sorted(ours, reverse=True)]


def check_checkpoint(path: Path, for_training: bool) -> None:
    """Read a checkpoint to its end and hold it against its seals; the state only where it will be used.

    Raises:
        InputError: what is damaged or missing.
    """
    open_checkpoint(path, "load_checkpoint").check()
    for name, seal in _parts_of(path).items():
        if not name.endswith(STATE_SUFFIX):
            sealed_part(path.with_name(name), seal, "load_checkpoint").check()
    if for_training:
        state_of(path).check()


def state_of(checkpoint: Path) -> SafetensorsFile | PartedCheckpoint:
    """The training state that was saved with these weights.

    Raises:
        InputError: it is not there, is damaged, or was saved at another time.
    """
    path, seal = state_path(checkpoint), None
    if checkpoint.suffix == ".safetensors":
        file = SafetensorsFile(checkpoint, "load_checkpoint")
        if (state := whole_state(file, "resume_training")) is not None:
            return state
        seal = parts_of(file).get(path.name)
    if seal is not None:
        return sealed_part(path, seal, "resume_training")
    if not path.is_file():
        raise InputError("resume_training", f"'{path}' not found", "the training state beside the checkpoint", ANEW)
    return SafetensorsFile(path, "resume_training")


def state_path(checkpoint: Path) -> Path:
    """Where a checkpoint's training state belongs."""
    return checkpoint.with_name(checkpoint.name.removesuffix(".safetensors") + STATE_SUFFIX)


def _parts_of(checkpoint: Path) -> dict[str, str]:
    """File name -> seal of all that belongs to a checkpoint; empty where it was written elsewhere."""
    return parts_of(SafetensorsFile(checkpoint, "load_checkpoint")) if checkpoint.suffix == ".safetensors" else {}


def _serial_of(path: Path) -> int:
    """A number that grows with every checkpoint saved in a folder; 0 where the file does not tell."""
    try:
        return int(SafetensorsFile(path).metadata.get(_SERIAL, "0")) if path.suffix == ".safetensors" else 0
    except InputError:
        return 0


def texts_for(folder: Path, prefix: str, parts: dict[str, str]) -> dict[str, str]:
    """The texts for the head of a checkpoint that is saved now.

    Args:
        folder, prefix: where, and under which name.
        parts: file name -> seal of what belongs to it and is written already.
    """
    last = max((_serial_of(file) for file in checkpoints_in(folder, prefix)), default=0)
    return {_SERIAL: str(last + 1), PARTS: json.dumps(parts)}


def set_parts_aside(checkpoint: Path) -> None:
    """Before a checkpoint is saved again under its name: the old weights keep what belongs to them until then."""
    for path, seal in _readable_parts(checkpoint).items():
        if path.is_file() and _seal_of(path) == seal:
            path.replace(aside(path))


def settle_parts(checkpoint: Path) -> None:
    """After a save, whether it came to its end or not: what belongs to the weights has its name, nothing is aside."""
    name, seals = name_of(checkpoint), _readable_parts(checkpoint)
    pattern = f"{escape(name.prefix)}_rank_*-{name.epoch}_{name.step}.*{ASIDE_SUFFIX.removeprefix('.')}"
    for before in list(checkpoint.parent.glob(pattern)):
        path = before.with_name(before.name.removesuffix(ASIDE_SUFFIX) + ".safetensors")
        is_wanted = not seals or (path in seals and not (path.is_file() and _seal_of(path) == seals[path]))
        if checkpoint.is_file() and is_wanted:
            before.replace(path)
        else:
            before.unlink(missing_ok=True)


def _readable_parts(checkpoint: Path) -> dict[Path, str]:
    try:
        return {checkpoint.with_name(name): seal for name, seal in _parts_of(checkpoint).items()}
    except InputError:  # missing or damaged: nothing is known to belong to it
        return {}


def _seal_of(path: Path) -> str | None:
    try:
        return SafetensorsFile(path).seal
    except InputError:
        return None


def clear_leftovers(folder: Path, prefix: str) -> None:
    """Remove what runs that were killed while saving left under this prefix."""
    pattern = f"{escape(prefix)}_rank_*-*"
    _remove(folder.glob(f".{pattern}{PART_SUFFIX}"))
    for before in list(folder.glob(pattern + ASIDE_SUFFIX)):
        settle_parts(_weights_of(before, ASIDE_SUFFIX))
    _remove(state for state in folder.glob(pattern + STATE_SUFFIX) if not _weights_of(state, STATE_SUFFIX).is_file())


def _weights_of(part: Path, suffix: str) -> Path:
    """The first device's weights, which make a checkpoint of its parts."""
    stem = part.name.removesuffix(suffix).removesuffix(STATE_SUFFIX.removesuffix(".safetensors"))
    return part.with_name(_RANK.sub("_rank_0-", stem) + ".safetensors")


def _remove(files: Iterable[Path]) -> None:
    for file in list(files):
        file.unlink(missing_ok=True)


def prune(folder: Path, prefix: str, keep: int) -> None:
    """Remove all but the `keep` checkpoints of a prefix that were saved last, with all that belongs to them."""
    for file in checkpoints_in(folder, prefix)[keep:]:
        name = name_of(file)
        if file.suffix == ".safetensors":
            file.unlink(missing_ok=True)  # first, since what is left without its weights is no checkpoint
            _remove(folder.glob(f"{escape(prefix)}_rank_*-{name.epoch}_{name.step}.*safetensors"))

"""Checkpoints of any family as sources of weights: safetensors tensor by tensor, MindSpore's .ckpt as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mindformers.models.checkpoint_parts import PartedCheckpoint, whole_source
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file
from mindformers.tools.number_types import BFLOAT16
from mindformers.tools.weight_files import SafetensorsFile, Stored

if TYPE_CHECKING:  # converting safetensors does without MindSpore
    from mindspore import Parameter


def open_checkpoint(path: Path, what: str = "--checkpoint") -> SafetensorsFile | PartedCheckpoint | CkptFile:
    """A .safetensors or .ckpt file with the parts that other devices wrote; `what` is the key or flag that names it.

    Raises:
        InputError: it is missing, damaged or of another kind.
    """
    check_suffix(existing_file(path, what), what)
    return whole_source(SafetensorsFile(path, what)) if path.suffix == ".safetensors" else CkptFile(path, what)


def check_suffix(path: Path, what: str) -> None:
    """Raises InputError for a file that is no checkpoint by its name."""
    if path.suffix not in (".safetensors", ".ckpt"):
        raise InputError(
            what,
            f"'{path}' has the suffix '{path.suffix}'",
            "a .safetensors or MindSpore .ckpt file",
            "pickled weights are not read, since loading them can run code",
        )


def stored_of(parameter: Parameter) -> Stored:
    """Type and shape of a parameter in a file."""
    dtype = BFLOAT16 if _is_bfloat16(parameter) else np.dtype(str(parameter.dtype).lower())
    return Stored(dtype, tuple(parameter.shape))


def values_of(parameter: Parameter) -> np.ndarray:
    """The values in the type that `stored_of` tells; on a CPU the parameter's own memory."""
    return typed(parameter, parameter.asnumpy())


def typed(parameter: Parameter, values: np.ndarray) -> np.ndarray:
    """A parameter's values, as MindSpore gives them, in the type that `stored_of` tells."""
    return values.view(BFLOAT16) if _is_bfloat16(parameter) else values


def _is_bfloat16(parameter: Parameter) -> bool:
    return str(parameter.dtype) == "BFloat16"


class CkptFile:
    """MindSpore reads a .ckpt only as a whole, so this needs memory for all of it."""

    def __init__(self, path: Path, what: str) -> None:
        import mindspore as ms

        try:
            loaded = ms.load_checkpoint(str(path))
        except (ValueError, RuntimeError, TypeError, OSError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                what, f"'{path}' cannot be read ({reason})", "a whole checkpoint", "copy it again"
            ) from error
        self._parameters: dict[str, Parameter] = dict(loaded)
        self.metadata: Mapping[str, str] = {}
        self.tensors = {name: stored_of(parameter) for name, parameter in self._parameters.items()}

    def check(self) -> None:
        """Nothing more: what could be checked was when the file was read."""

    def read(self, name: str) -> np.ndarray:
        """The values."""
        return values_of(self._parameters[name])

"""Checkpoints of any family as sources of weights: safetensors tensor by tensor, MindSpore's .ckpt as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file
from mindformers.tools.number_types import BFLOAT16
from mindformers.tools.weight_files import SafetensorsFile, Stored, WeightSource


def open_checkpoint(path: Path) -> WeightSource:
    """A .safetensors or .ckpt file.

    Raises:
        InputError: it is missing, damaged or of another kind.
    """
    existing_file(path, "--checkpoint")
    if path.suffix == ".safetensors":
        return SafetensorsFile(path)
    if path.suffix == ".ckpt":
        return _CkptFile(path)
    raise InputError("--checkpoint", f"'{path}'", "a .safetensors or MindSpore .ckpt file", "name another")


class _CkptFile:
    """MindSpore reads a .ckpt only as a whole, so this needs memory for all of it."""

    def __init__(self, path: Path) -> None:
        import mindspore as ms

        try:
            loaded = ms.load_checkpoint(str(path))
        except (ValueError, RuntimeError, TypeError, OSError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError("--checkpoint", f"'{path}' cannot be read ({reason})", "a whole file") from error
        self._parameters: dict[str, Any] = dict(loaded)
        self.metadata: Mapping[str, str] = {}
        self.tensors = {
            name: Stored(BFLOAT16 if p.dtype == ms.bfloat16 else np.dtype(ms.dtype_to_nptype(p.dtype)), tuple(p.shape))
            for name, p in self._parameters.items()
        }

    def read(self, name: str) -> np.ndarray:
        """The values."""
        array = self._parameters[name].asnumpy()
        return array.view(BFLOAT16) if self.tensors[name].dtype == BFLOAT16 else array

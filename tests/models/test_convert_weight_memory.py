"""A conversion needs memory for a tensor or two, not for the model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindformers.config import load_recipe
from mindformers.models.hf_folder import shards_of, write_weights
from mindformers.models.llama.names import hugging_face_names, weight_shapes
from mindformers.tools.weight_files import Outgoing, Stored
from mindformers.trainer.build import build_model_config
from tests.conftest import NUM_PIECES, REPOSITORY
from tests.models.hugging_face import write_recipe
from tests.models.test_convert_weight_errors import CONFIG

SIZES: dict[str, Any] = {"hidden_size": 512, "intermediate_size": 1408, "num_layers": 16}
MODEL_BYTES, ALLOWED_BYTES = 180e6, 40e6
# The peak of this process alone: what `getrusage` says includes the process that started it.
CODE = r"""
import re, sys
from mindformers.models.llama.convert_weight import main
peak = lambda: 1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
before, status = peak(), main(sys.argv[1:])
sys.stdout.write(f"status {status} grew {peak() - before}")
"""


def growth(*words: object) -> int:
    """Bytes that the command adds to the memory of the interpreter with its imports."""
    command = [sys.executable, "-c", CODE, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return int(re.search(r"status 0 grew (\d+)$", found)[1])


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak is read from Linux")
def test_memory_follows_the_largest_tensor(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.yaml", **SIZES)
    config = build_model_config(load_recipe(recipe))
    tensors = []
    for ours, theirs in hugging_face_names(config).items():
        rows, *rest = weight_shapes(config)[ours]
        shape = (min(rows, NUM_PIECES) if "model.layers" not in ours and rest else rows, *rest)
        tensors.append(
            Outgoing(theirs, Stored(np.dtype("<f4"), shape), lambda shape=shape: [np.ones(shape, np.float32)])
        )
    assert sum(tensor.stored.num_bytes for tensor in tensors) > MODEL_BYTES
    (tmp_path / "theirs").mkdir()
    write_weights(tmp_path / "theirs", shards_of(tensors, 10**8), lambda: None)
    sizes = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 16}
    (tmp_path / "theirs" / "config.json").write_text(json.dumps({**CONFIG, **sizes}))
    words = ("--config", recipe, "--hf_dir")
    ours = tmp_path / "o.safetensors"
    assert growth(*words, tmp_path / "theirs", "--output", ours, "--dtype", "bfloat16") < ALLOWED_BYTES
    assert growth(*words, tmp_path / "back", "--checkpoint", ours, "--dtype", "float32") < ALLOWED_BYTES

"""Published ChatGLM weights as our checkpoint, and back. Everything is checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.hf_config import model_settings
from mindformers.models.glm.names import EMBEDDING, HEAD, THEIR_EMBEDDING, is_left_out, their_name, weight_shapes
from mindformers.models.glm.vocabulary import check_rows
from mindformers.models.hf_folder import (
    CONFIG_NAME,
    HuggingFaceWeights,
    check_target,
    parse_size,
    shards_of,
    write_weights,
)
from mindformers.models.rewriting import Written, check_output, check_tensors, renamed
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_folder, write_json
from mindformers.tools.logging import get_logger
from mindformers.tools.number_types import type_name
from mindformers.tools.progress import Progress
from mindformers.tools.weight_files import WeightSource, write_safetensors

logger = get_logger(__name__)
_OURS = "transformer."


def published_rows(hf_dir: Path) -> int:
    """Rows of the word table in a published folder, which tell the vocabulary. Raises InputError where it has none."""
    tensors = HuggingFaceWeights(hf_dir).tensors
    if THEIR_EMBEDDING not in tensors:
        got, expected = f"no weight {THEIR_EMBEDDING}", "ChatGLM-6B's weights"
        raise InputError(f"'{hf_dir}'", got, expected, "use the converter of the family that it belongs to")
    return tensors[THEIR_EMBEDDING].shape[0]


def import_hf(config: GLMConfig, hf_dir: str | Path, output: str | Path, dtype: str | None = None) -> Written:
    """Convert a published folder.

    Args:
        config: the network of the recipe.
        hf_dir: `model.safetensors` or `pytorch_model.bin`, whole or in shards with an index.
        output: the .safetensors file to write.
        dtype: `float32`, `float16` or `bfloat16`; None keeps each weight's own.

    Raises:
        InputError: the weights do not fit the recipe, are incomplete or damaged, or their head is not the word table.
    """
    check_output(Path(output))
    source, shapes = HuggingFaceWeights(Path(hf_dir)), weight_shapes(config)
    found = {name: stored for name, stored in source.tensors.items() if not is_left_out(name)}
    if THEIR_EMBEDDING in found:
        check_rows(f"'{hf_dir}'", found[THEIR_EMBEDDING].shape[0], config.vocab_size)
    check_tensors(f"'{hf_dir}'", found, {their_name(ours): shape for ours, shape in shapes.items()})
    _check_head(source, hf_dir)
    outgoing = renamed({their_name(ours): ours for ours in shapes}, source, dtype)
    with Progress("converting", len(outgoing), "weights") as progress:
        write_safetensors(output, outgoing, {"format": "mindspore"}, progress.update)
    return Written.of(outgoing)


def export_hf(
    config: GLMConfig,
    checkpoint: str | Path,
    hf_dir: str | Path,
    tokenizer: Any = None,
    dtype: str | None = None,
    max_shard_size: str = "5GB",
    adapt: Callable[[WeightSource], WeightSource] | None = None,
) -> Written:
    """Convert one of our checkpoints; the head is written once more, as the published files have it.

    Args:
        config: the network of the recipe.
        checkpoint: a .safetensors or .ckpt file.
        hf_dir: the folder to write; it must not hold other weights.
        tokenizer: ours, to be written beside the weights; None writes none, with a warning.
        dtype: `float32`, `float16` or `bfloat16`; None keeps each weight's own.
        max_shard_size: of one file, e.g. `5GB`.
        adapt: changes the weights as they are read, e.g. by an adapter.

    Raises:
        InputError: the checkpoint does not fit the recipe or is damaged, or the folder holds other weights.
    """
    source, folder = open_checkpoint(Path(checkpoint)), Path(hf_dir)
    source = source if adapt is None else adapt(source)
    found = {name: stored for name, stored in source.tensors.items() if name.startswith(_OURS)}
    if EMBEDDING in found:
        check_rows(f"'{checkpoint}'", found[EMBEDDING].shape[0], config.vocab_size)
    check_tensors(f"'{checkpoint}'", found, weight_shapes(config))
    outgoing = renamed({ours: their_name(ours) for ours in weight_shapes(config)}, source, dtype)
    outgoing += renamed({EMBEDDING: HEAD}, source, dtype)
    shards = shards_of(outgoing, parse_size(max_shard_size))
    check_target(folder, list(shards))
    if tokenizer is None:
        logger.warning("no tokenizer is written: pass --vocab_file ice_text.model")
    with replaced_folder(folder) as beside, Progress("converting", len(outgoing), "weights") as progress:
        write_weights(beside, shards, progress.update)
        write_json(beside / CONFIG_NAME, model_settings(config, type_name(outgoing[0].stored.dtype)))
        if tokenizer is not None:
            tokenizer.save_pretrained(beside)
    return Written.of(outgoing)


def _check_head(source: HuggingFaceWeights, hf_dir: str | Path) -> None:
    """A head of its own would be lost: this network's head is the word table."""
    if HEAD in source.tensors and not np.array_equal(source.read(HEAD), source.read(THEIR_EMBEDDING)):
        got = f"{HEAD} differs from {THEIR_EMBEDDING}"
        raise InputError(f"'{hf_dir}'", got, "one table for both, as in ChatGLM-6B", "check where the files come from")

"""A Hugging Face LLaMA as our checkpoint: other names, rows for the new tokens, neurons expert by expert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mindformers.experts.files import read_experts
from mindformers.experts.grouping import neuron_order
from mindformers.models.hf_folder import HuggingFaceWeights, read_config
from mindformers.models.llama.hf_config import check_config
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.names import EMBEDDING, HEAD, hugging_face_names, is_left_out, weight_shapes
from mindformers.models.llama.neuron_order import NEURON_ORDER, order_as_text, reordered
from mindformers.models.llama.new_rows import new_rows
from mindformers.models.rewriting import Written, check_output, check_tensors, in_type
from mindformers.tools.errors import InputError
from mindformers.tools.number_types import converted, float_type
from mindformers.tools.progress import Progress
from mindformers.tools.weight_files import Outgoing, Stored, write_safetensors


def import_hf(
    config: LlamaConfig,
    hf_dir: str | Path,
    output: str | Path,
    seed: int = 0,
    experts: str | Path | None = None,
    dtype: str | None = None,
) -> Written:
    """Convert a Hugging Face folder. Everything is checked before anything is written.

    Args:
        config: the network of the recipe.
        hf_dir: `config.json` with `model.safetensors` or `pytorch_model.bin`, whole or in shards.
        output: the .safetensors file to write.
        seed: of the rows for new tokens, see `new_rows`.
        experts: an `experts.npz`; the neurons are stored expert by expert, and their order is kept in the file's head
            under `neuron_order`, so that `export_hf` can restore the old one.
        dtype: `float32`, `float16` or `bfloat16`; None keeps each weight's own.

    Raises:
        InputError: the folder does not fit the recipe, or is incomplete or damaged.
    """
    folder = Path(hf_dir)
    check_output(Path(output))
    orders = _orders(experts, config)
    source = HuggingFaceWeights(folder)
    settings = read_config(folder)
    check_config(folder, settings, config)
    names, shapes = hugging_face_names(config), weight_shapes(config)
    rows = settings.get("vocab_size", config.vocab_size)
    found = {name: stored for name, stored in source.tensors.items() if not is_left_out(name, config)}
    check_tensors(f"'{folder}'", found, {names[ours]: _base_shape(ours, shapes[ours], rows) for ours in names})
    plan = _Plan(source, orders, min(rows, config.first_modality_id), seed)
    outgoing = []
    for ours, theirs in names.items():
        stored = Stored(float_type(dtype, "--dtype") if dtype else found[theirs].dtype, shapes[ours])
        outgoing.append(Outgoing(ours, stored, partial(plan.blocks, ours, theirs, stored)))
    metadata = {"format": "mindspore"} | ({} if orders is None else {NEURON_ORDER: order_as_text(orders)})
    with Progress("converting", len(outgoing), "weights") as progress:
        write_safetensors(output, outgoing, metadata, progress.update)
    return Written.of(outgoing)


@dataclass(frozen=True)
class _Plan:
    """How each of our weights is made. `text_rows`: the first rows of a vocabulary table, which new ones resemble."""

    source: HuggingFaceWeights
    orders: np.ndarray | None
    text_rows: int
    seed: int

    def blocks(self, ours: str, theirs: str, stored: Stored) -> Iterable[np.ndarray]:
        array = reordered(ours, self.source.read(theirs), self.orders)
        yield from in_type(array, stored.dtype, theirs)
        missing = stored.shape[0] - len(array)
        if missing:
            yield converted(new_rows(array[: self.text_rows], missing, self.seed, ours), stored.dtype, theirs)


def _base_shape(name: str, shape: tuple[int, ...], rows: int) -> tuple[int, ...]:
    return (rows, *shape[1:]) if name in (EMBEDDING, HEAD) else shape


def _orders(path: str | Path | None, config: LlamaConfig) -> np.ndarray | None:
    if path is None:
        return None
    experts = read_experts(path, config.num_layers, config.ffn_size)
    wanted = config.experts.num_experts if config.experts is not None else experts.num_experts
    if experts.num_experts != wanted:
        got, expected = f"'{path}' has {experts.num_experts} experts", f"{wanted}, as experts.num_experts in the recipe"
        raise InputError("--experts", got, expected, "correct the recipe, or split again")
    return neuron_order(experts.labels)

"""Our checkpoint as a Hugging Face folder that `AutoModelForCausalLM` and `AutoTokenizer` open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mindformers.experts.grouping import invert_order
from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.models.hf_folder import CONFIG_NAME, check_target, parse_size, shards_of, write_weights
from mindformers.models.llama.hf_config import GENERATION_NAME, generation_settings, model_settings
from mindformers.models.llama.hf_tokenizer import write_tokenizer
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.models.llama.llama_tokenizer import LlamaTokenizer
from mindformers.models.llama.names import hugging_face_names, is_router, weight_shapes
from mindformers.models.llama.neuron_order import recorded_order, reordered
from mindformers.models.rewriting import Written, check_tensors, renamed
from mindformers.tools.files import replaced_folder, write_json
from mindformers.tools.logging import get_logger
from mindformers.tools.number_types import type_name
from mindformers.tools.progress import Progress
from mindformers.tools.weight_files import Outgoing, Stored, WeightSource

logger = get_logger(__name__)
_OUR_PREFIXES = ("model.", "lm_head.")


def export_hf(
    config: LlamaConfig,
    checkpoint: str | Path,
    hf_dir: str | Path,
    tokenizer: LlamaTokenizer | None = None,
    dtype: str | None = None,
    max_shard_size: str = "5GB",
    adapt: Callable[[WeightSource], WeightSource] | None = None,
) -> Written:
    """Convert one of our checkpoints. Everything is checked before anything is written.

    Neurons that were stored expert by expert go back to the order that the file's head records; without a record they
    stay where they are, which is the same function. Hugging Face's LLaMA has no experts: it computes all of them, and
    the weights of learned routers are left out. One line says so.

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
    checkpoint, folder = Path(checkpoint), Path(hf_dir)
    shard_bytes = parse_size(max_shard_size)
    source = open_checkpoint(checkpoint)
    source = source if adapt is None else adapt(source)
    found = _ours_among(source.tensors)
    check_tensors(f"'{checkpoint}'", found, weight_shapes(config))
    orders = recorded_order(f"'{checkpoint}'", source.metadata, (config.num_layers, config.ffn_size))
    order = None if orders is None else invert_order(orders)
    outgoing = renamed(hugging_face_names(config), source, dtype, lambda name, weight: reordered(name, weight, order))
    shards = shards_of(outgoing, shard_bytes)
    check_target(folder, list(shards))
    _say_what_is_lost(config, source, tokenizer)
    with replaced_folder(folder) as beside, Progress("converting", len(outgoing), "weights") as progress:
        write_weights(beside, shards, progress.update)
        write_json(beside / CONFIG_NAME, model_settings(config, _main_type(outgoing)))
        write_json(beside / GENERATION_NAME, generation_settings(config))
        if tokenizer is not None:
            write_tokenizer(beside, tokenizer, config.seq_length)
    return Written.of(outgoing)


def _ours_among(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """Without routers, and without what training keeps beside the weights (moments of Adam, counters)."""
    return {n: stored for n, stored in tensors.items() if n.startswith(_OUR_PREFIXES) and not is_router(n)}


def _main_type(outgoing: list[Outgoing]) -> str:
    largest = max(outgoing, key=lambda tensor: tensor.stored.num_bytes)
    return type_name(largest.stored.dtype)


def _say_what_is_lost(config: LlamaConfig, source: WeightSource, tokenizer: LlamaTokenizer | None) -> None:
    routers = [name for name in source.tensors if is_router(name)]
    if routers:
        logger.warning("left out: %d router weights, for which Hugging Face's LLaMA has no place", len(routers))
    if config.is_routed and min(config.experts.experts_of_rows()) < config.experts.num_experts:
        logger.warning("Hugging Face's LLaMA computes every expert for every token; this recipe's network does not")
    if tokenizer is None:
        logger.warning("no tokenizer is written: pass --vocab_file tokenizer.model")

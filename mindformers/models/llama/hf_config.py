"""Hugging Face's `config.json` beside our configuration: held against it on the way in, written on the way out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindformers.modalities.vocabulary import ModalityVocabulary
from mindformers.models.hf_folder import CONFIG_NAME
from mindformers.models.llama.llama_config import LlamaConfig
from mindformers.tools.errors import InputError

GENERATION_NAME = "generation_config.json"
# What another value would mean is not part of our LLaMA.
_FIXED: dict[str, Any] = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
# Their defaults where config.json is silent.
_DEFAULTS: dict[str, Any] = {**_FIXED, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "vocab_size": 32000}
_DEFAULT_THETA = 10000.0
_MISSING = "nothing"


def check_config(folder: Path, settings: Mapping[str, Any], config: LlamaConfig) -> None:
    """Hold `config.json` against the recipe.

    Args:
        folder: where it stands, for the message.
        settings: its content.
        config: the recipe's network.

    Raises:
        InputError: one line with every difference and both values.
    """
    found = [*_differences(settings, config), *_rope_differences(settings, config)]
    if not _vocabulary_fits(_value(settings, "vocab_size"), config):
        found.append(f"vocab_size {_value(settings, 'vocab_size')}, recipe {_vocabularies(config)}")
    if found:
        raise InputError(
            f"'{folder / CONFIG_NAME}'",
            f"differs from the recipe: {' / '.join(found)}",
            "the same network",
            "correct model.model_config, or take other weights",
        )


def _differences(settings: Mapping[str, Any], config: LlamaConfig) -> list[str]:
    wanted = {**_FIXED, **_sizes(config)}
    silent = {
        "num_key_value_heads": settings.get("num_attention_heads"),
        "head_dim": config.head_dim,  # follows from the sizes
    }
    found = []
    for key, ours in wanted.items():
        given = settings.get(key)
        theirs = silent.get(key, _DEFAULTS.get(key, _MISSING)) if given is None else given
        if not _equal(theirs, ours):
            found.append(f"{key} {theirs}, recipe {ours}")
    return found


def _sizes(config: LlamaConfig) -> dict[str, Any]:
    return {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.ffn_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tie_word_embeddings,
    }


def _equal(theirs: Any, ours: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, (int, float)):
        return math.isclose(theirs, ours)
    return type(theirs) is type(ours) and theirs == ours


def _value(settings: Mapping[str, Any], key: str) -> Any:
    return settings.get(key, _DEFAULTS[key])


def _rope_differences(settings: Mapping[str, Any], config: LlamaConfig) -> list[str]:
    """A recipe may extend positions that the weights do not know of; the other way round is another network."""
    rope = {**(settings.get("rope_scaling") or {}), **(settings.get("rope_parameters") or {})}
    theta = rope.get("rope_theta", settings.get("rope_theta")) or _DEFAULT_THETA
    kind = rope.get("rope_type", rope.get("type", "default"))
    found = []
    if not any(_equal(theta, float(ours)) for ours in (config.theta, exported_theta(config))):
        found.append(f"rope_theta {theta}, recipe theta {config.theta}")
    factor = float(config.scaling_factor) if config.extend_method == "PI" else _MISSING
    if kind == "linear" and not _equal(rope.get("factor"), factor):
        found.append(f"linear rope scaling by {rope.get('factor')}, recipe extend_method PI with {factor}")
    if kind not in ("default", "linear"):
        found.append(f"rope_type {kind}, recipe extend_method {config.extend_method}")
    return found


def _vocabulary_fits(rows: Any, config: LlamaConfig) -> bool:
    return isinstance(rows, int) and rows in _row_counts(config)


def _row_counts(config: LlamaConfig) -> list[int]:
    """V, and what grows to V without giving an id another meaning: the base, and the end of each modality."""
    names, base = config.modalities, config.first_modality_id
    ends = [ModalityVocabulary(base, names[:count]).end_id for count in range(len(names) + 1)]
    return sorted({*(end for end in ends if end <= config.vocab_size), config.vocab_size})


def _vocabularies(config: LlamaConfig) -> str:
    *smaller, own = _row_counts(config)
    return f"{own} (grown from {' or '.join(map(str, smaller))})" if smaller else str(own)


def exported_theta(config: LlamaConfig) -> float:
    """The base of the angles, with NTK's change worked in: that method is nothing but another base."""
    if config.extend_method != "NTK":
        return float(config.theta)
    return float(config.theta * config.scaling_factor ** (config.head_dim / (config.head_dim - 2)))


def model_settings(config: LlamaConfig, dtype: str) -> dict[str, Any]:
    """`config.json` of our network, in keys that both old and new versions of transformers read.

    Args:
        config: ours.
        dtype: name of the stored weights' type.
    """
    scaling = {"rope_type": "linear", "type": "linear", "factor": float(config.scaling_factor)}
    return {
        "architectures": ["LlamaForCausalLM"],
        **_FIXED,
        **_sizes(config),
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.seq_length,
        "rope_theta": exported_theta(config),
        "rope_scaling": scaling if config.extend_method == "PI" else None,
        "attention_dropout": 0.0,
        "initializer_range": config.initializer_range,
        "pretraining_tp": 1,
        "use_cache": True,
        **_special_ids(config),
        "torch_dtype": dtype,
    }


def generation_settings(config: LlamaConfig) -> dict[str, Any]:
    """`generation_config.json`: the recipe's defaults; those of sampling only where it samples."""
    sampling = {"temperature": config.temperature, "top_k": config.top_k, "top_p": config.top_p}
    beams = {"num_beams": config.num_beams, "length_penalty": config.length_penalty}
    return {
        **_special_ids(config),
        "max_new_tokens": config.max_decode_length,
        "repetition_penalty": config.repetition_penalty,
        "do_sample": config.do_sample,
        **(sampling if config.do_sample else {}),
        **(beams if config.num_beams > 1 else {}),
        **({"min_new_tokens": config.min_new_tokens} if config.min_new_tokens else {}),
    }


def _special_ids(config: LlamaConfig) -> dict[str, int]:
    return {
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_id,
        "pad_token_id": config.pad_token_id,
    }

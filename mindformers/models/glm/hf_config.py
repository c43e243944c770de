"""ChatGLM's published `config.json` beside our configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindformers.models.glm.glm_config import GLMConfig
from mindformers.models.glm.vocabulary import ID_NAMES, check_rows, num_image_tokens
from mindformers.models.hf_folder import CONFIG_NAME
from mindformers.tools.errors import InputError

_NAMES = {
    "hidden_size": "hidden_size",
    "num_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "inner_hidden_size": "inner_hidden_size",
    "layernorm_epsilon": "layernorm_epsilon",
    **{name: name for name in ID_NAMES},
}


def shape_settings(folder: Path, settings: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """What a published `config.json` says, under our names.

    Args:
        folder: where it stands, for messages.
        settings: its content.
        rows: of the word table that stands beside it.

    Raises:
        InputError: another model, or a vocabulary that is not that of the weights.
    """
    where = f"'{folder / CONFIG_NAME}'"
    kind = settings.get("model_type", "chatglm")
    if kind != "chatglm" or settings.get("position_encoding_2d") is False:
        got = f"is a {kind} with position_encoding_2d {settings.get('position_encoding_2d')}"
        raise InputError(where, got, "ChatGLM-6B's first version", "take its weights")
    if settings.get("vocab_size") is not None:
        check_rows(f"{where} vocab_size beside the weights", rows, settings["vocab_size"])
    return {ours: settings[theirs] for theirs, ours in _NAMES.items() if settings.get(theirs) is not None}


def model_settings(config: GLMConfig, dtype: str) -> dict[str, Any]:
    """`config.json` of our network as the published code reads it.

    Args:
        config: ours.
        dtype: name of the stored weights' type.
    """
    return {
        "architectures": ["ChatGLMModel"],
        "model_type": "chatglm",
        "vocab_size": config.vocab_size,
        **{theirs: getattr(config, ours) for theirs, ours in _NAMES.items() if ours != "inner_hidden_size"},
        "inner_hidden_size": config.ffn_size,
        "max_sequence_length": config.seq_length,
        "position_encoding_2d": True,
        "num_image_tokens": num_image_tokens(config.vocab_size),
        "use_cache": True,
        "torch_dtype": dtype,
    }

"""The network and what turns text into its input."""

# ruff: noqa: RUF009 - `inert` makes a dataclass field, as `field` does

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mindformers.config.inert import inert


@dataclass
class ArchConfig:
    """`model.arch`.

    Args:
        type: name of the registered model class.
    """

    type: str = "LlamaForCausalLM"


@dataclass
class ModelSection:
    """`model`.

    Args:
        model_config: the network's own settings, kept as they are; the class named by its `type` decodes them.
        arch: which network it is.
    """

    model_config: dict[str, Any] = field(default_factory=dict)
    arch: ArchConfig = field(default_factory=ArchConfig)


@dataclass
class TokenizerConfig:
    """`processor.tokenizer`.

    Args:
        type: name of the registered tokenizer class.
        vocab_file: the SentencePiece model.
        modalities: names of the modalities whose tokens extend it; None means all.
        add_bos_token: whether a prompt starts with `bos_token`.
        add_eos_token: whether an encoded text ends with `eos_token`.
    """

    type: str = "LlamaTokenizer"
    vocab_file: str | None = None
    modalities: list[str] | None = None
    bos_token: str | None = None
    eos_token: str | None = None
    unk_token: str | None = None
    pad_token: str | None = None
    mask_token: str | None = None
    gmask_token: str | None = None
    end_token: str | None = None
    add_bos_token: bool = True
    add_eos_token: bool = False
    padding_side: Literal["left", "right"] | None = None
    max_length: int | None = None
    tokenizer_file: str | None = inert()
    legacy: bool | None = inert()
    use_fast: bool | None = inert()


@dataclass
class ProcessorConfig:
    """`processor`: what turns a prompt into model input.

    Args:
        type: name of the registered processor class.
        template: how conversations were written in training, and so how questions are put to the model.
        return_tensors: `ms` for MindSpore tensors, `np` for arrays.
        template: how a question becomes a prompt; the one that the training data was made with.
        tokenizer: see `TokenizerConfig`.
    """

    type: str = "LlamaProcessor"
    template: str = "vicuna"
    template: str = "vicuna"
    return_tensors: str | None = None
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    image_processor: dict[str, Any] = inert({})
    audio_processor: dict[str, Any] = inert({})
    max_length: int | None = inert()
    padding: str | bool | None = inert()

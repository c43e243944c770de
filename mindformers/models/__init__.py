"""Model families, one folder each. A family's classes are known by name once its modules are imported."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mindformers.tools.errors import InputError
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

_LLAMA, _GLM = "mindformers.models.llama.llama", "mindformers.models.glm.glm"
_FAMILIES = {
    MindFormerModuleType.CONFIG: (f"{_LLAMA}_config", f"{_GLM}_config"),
    MindFormerModuleType.TOKENIZER: (f"{_LLAMA}_tokenizer", f"{_GLM}_tokenizer"),
    MindFormerModuleType.MODELS: (_LLAMA, _GLM),
    MindFormerModuleType.PROCESSOR: (f"{_LLAMA}_processor", f"{_GLM}_processor"),
    MindFormerModuleType.FOOTPRINT: ("mindformers.models.llama.footprint", "mindformers.models.glm.footprint"),
}
# By the class of its configuration: what writes a family's weights as a Hugging Face folder.
_EXPORTERS = {"LlamaConfig": "mindformers.models.llama.to_hf", "GLMConfig": "mindformers.models.glm.hf_weights"}
# By the class of the network: how it is cut into parts that several devices hold, and how these compute together.
_CUTTINGS = {"LlamaForCausalLM": "mindformers.models.llama.cutting"}
_PLANS = {"LlamaForCausalLM": "mindformers.models.llama.parallel_plan"}


def cutting_obstacle(arch: str, config: Any, parts: int) -> str:
    """Why a network cannot be cut into so many parts, as what was expected instead; empty where it can.

    Args:
        arch: name of the network's class.
        config: its configuration.
        parts: devices that share a copy.
    """
    if parts == 1:
        return ""
    if arch not in _CUTTINGS:
        return f"1, as {arch} has no plan for more"
    return cutting(arch).obstacle(config, parts)


def cutting(arch: str) -> ModuleType:
    """How a network's weights are cut: a module with `obstacle`, `cuts_of` and `shares_gradient`."""
    return import_module(_CUTTINGS[arch])


def parallel_plan(arch: str) -> ModuleType:
    """How a network that has been cut computes: a module with `place_parts`."""
    return import_module(_PLANS[arch])


def exporter_of(config: Any) -> Callable[..., Any]:
    """`export_hf` of a configuration's family."""
    return import_module(_EXPORTERS[type(config).__name__]).export_hf


def tokenizer_of_file(vocab_file: str | Path, **limits: int | None) -> Any:
    """The tokenizer that a SentencePiece model is made for: ChatGLM's where it has a piece for the line break.

    Args:
        vocab_file: the `.model` file.
        limits: `max_source_seq_len` and `max_target_seq_len` of ChatGLM's.

    Raises:
        InputError: the file cannot be read, or limits are given for a tokenizer that has none.
    """
    from mindformers.models.glm.glm_tokenizer import ChatGLMTokenizer
    from mindformers.models.glm.ice_pieces import is_ice_model
    from mindformers.models.llama.llama_tokenizer import LlamaTokenizer

    if is_ice_model(vocab_file):
        return ChatGLMTokenizer(vocab_file, **limits)
    for name, value in limits.items():
        if value is not None:
            raise InputError(name, str(value), "a tokenizer of ChatGLM", "use seq_length for LLaMA")
    return LlamaTokenizer(vocab_file)


def registered(kind: MindFormerModuleType, name: str, what: str) -> type:
    """The class that a recipe names. Raises InputError, naming the key `what`, for a name nobody registered."""
    for module in _FAMILIES[kind]:
        import_module(module)
    return MindFormerRegister.get(kind, name, what)

"""SciMind: a multimodal mixture-of-experts language model for pharmaceutical sciences, on MindSpore.

The public names load lazily, so that importing the package stays cheap.
"""

from importlib import import_module

_HOMES = {
    "LlamaConfig": "mindformers.models.llama.llama_config",
    "LlamaForCausalLM": "mindformers.models.llama.llama",
    "LlamaTokenizer": "mindformers.models.llama.llama_tokenizer",
    "LlamaProcessor": "mindformers.models.llama.llama_processor",
    "Trainer": "mindformers.trainer.trainer",
    "MindFormerRegister": "mindformers.tools.registry",
    "MindFormerModuleType": "mindformers.tools.registry",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mindformers' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

"""Model families, one folder each. A family's classes are known by name once its modules are imported."""

from importlib import import_module
from types import ModuleType
from typing import Any

from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

_FAMILIES = {
    MindFormerModuleType.CONFIG: ("mindformers.models.llama.llama_config",),
    MindFormerModuleType.TOKENIZER: ("mindformers.models.llama.llama_tokenizer",),
    MindFormerModuleType.MODELS: ("mindformers.models.llama.llama",),
    MindFormerModuleType.PROCESSOR: ("mindformers.models.llama.llama_processor",),
    MindFormerModuleType.FOOTPRINT: ("mindformers.models.llama.footprint",),
}
# How a network is cut into parts that several devices hold.
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
    if arch not in _PLANS:
        return f"1, as {arch} has no plan for more"
    return parallel_plan(arch).obstacle(config, parts)


def parallel_plan(arch: str) -> ModuleType:
    """How a network is cut: a module with `obstacle`, `cuts_of`, `shares_gradient` and `place_parts`."""
    return import_module(_PLANS[arch])


def registered(kind: MindFormerModuleType, name: str, what: str) -> type:
    """The class that a recipe names. Raises InputError, naming the key `what`, for a name nobody registered."""
    for module in _FAMILIES[kind]:
        import_module(module)
    return MindFormerRegister.get(kind, name, what)

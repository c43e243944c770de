"""Model families, one folder each. A family's classes are known by name once its modules are imported."""

from importlib import import_module

from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister

_FAMILIES = {
    MindFormerModuleType.CONFIG: ("mindformers.models.llama.llama_config",),
    MindFormerModuleType.TOKENIZER: ("mindformers.models.llama.llama_tokenizer",),
    MindFormerModuleType.MODELS: ("mindformers.models.llama.llama",),
    MindFormerModuleType.PROCESSOR: ("mindformers.models.llama.llama_processor",),
}


def registered(kind: MindFormerModuleType, name: str, what: str) -> type:
    """The class that a recipe names. Raises InputError, naming the key `what`, for a name nobody registered."""
    for module in _FAMILIES[kind]:
        import_module(module)
    return MindFormerRegister.get(kind, name, what)

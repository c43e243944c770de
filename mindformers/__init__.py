"""SciMind: a multimodal mixture-of-experts language model for pharmaceutical sciences, on MindSpore.

The public names load lazily, so that importing the package stays cheap.
"""

import os
from importlib import import_module

# Read by libraries when they load: MindSpore's own log from errors on, and idle OpenMP threads that spin for a tenth of
# a millisecond, which is what waking one up takes, and then sleep (those that go on spinning starve MindSpore's).
for _name, _value in {"GLOG_v": "3", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}.items():
    os.environ.setdefault(_name, _value)

_HOMES = {
    "LlamaConfig": "mindformers.models.llama.llama_config",
    "LlamaForCausalLM": "mindformers.models.llama.llama",
    "LlamaTokenizer": "mindformers.models.llama.llama_tokenizer",
    "LlamaProcessor": "mindformers.models.llama.llama_processor",
    "GLMConfig": "mindformers.models.glm.glm_config",
    "GLMForPreTraining": "mindformers.models.glm.glm",
    "ChatGLMTokenizer": "mindformers.models.glm.glm_tokenizer",
    "GLMProcessor": "mindformers.models.glm.glm_processor",
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

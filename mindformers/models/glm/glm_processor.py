"""Prompts to a batch of ids, as MindFormers' processors do."""

from __future__ import annotations

from mindformers.models.llama.llama_processor import LlamaProcessor
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


@MindFormerRegister.register(MindFormerModuleType.PROCESSOR)
class GLMProcessor(LlamaProcessor):
    """Wraps a `ChatGLMTokenizer`."""

"""LlamaTokenizer for MindFormers' processor interface."""

from __future__ import annotations

from mindformers.models.processor import TextProcessor
from mindformers.tools.registry import MindFormerModuleType, MindFormerRegister


@MindFormerRegister.register(MindFormerModuleType.PROCESSOR)
class LlamaProcessor(TextProcessor):
    """Wraps a `LlamaTokenizer`."""

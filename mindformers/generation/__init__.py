"""Prompts to answers: options, sampling, the engine."""

from mindformers.generation.engine import Engine
from mindformers.generation.options import GenerationOptions

__all__ = ["Engine", "GenerationOptions"]

"""Recipes: YAML in MindFormers' 0.8 dialect, decoded into typed dataclasses and checked."""

from mindformers.config.arguments import parse_arguments, warn_unused_flags
from mindformers.config.decode import decode
from mindformers.config.effects import effects_on
from mindformers.config.fork import is_published_fork
from mindformers.config.inert import inert, warn_inert
from mindformers.config.loading import load_recipe
from mindformers.config.saving import dump, to_dict
from mindformers.config.schema.callbacks import CheckpointMonitor, LossMonitor, SummaryMonitor
from mindformers.config.schema.recipe import RUN_MODES, Recipe
from mindformers.config.validate import validate

__all__ = [
    "RUN_MODES",
    "CheckpointMonitor",
    "LossMonitor",
    "Recipe",
    "SummaryMonitor",
    "decode",
    "dump",
    "effects_on",
    "inert",
    "is_published_fork",
    "load_recipe",
    "parse_arguments",
    "to_dict",
    "validate",
    "warn_inert",
    "warn_unused_flags",
]

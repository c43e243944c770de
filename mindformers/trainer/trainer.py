"""`Trainer`: the run modes from Python."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindformers.config import Recipe, load_recipe
from mindformers.config.flags import FLAGS
from mindformers.trainer import runner


class Trainer:
    """A recipe with its run modes as methods.

    Args:
        config: path of a YAML recipe.
        overrides: dotted keys and values that replace the recipe's.

    Raises:
        InputError: the recipe cannot be used.
    """

    def __init__(self, config: str | Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.recipe: Recipe = load_recipe(config, overrides or {})

    def train(self) -> Path:
        """Train. Returns the last checkpoint's file."""
        return runner.train(self.recipe)

    def finetune(self) -> Path:
        """Train from the recipe's `load_checkpoint`. Returns the last checkpoint's file."""
        return runner.train(self.recipe)

    def evaluate(self) -> dict[str, Any]:
        """Loss, perplexity and accuracy in total and per modality."""
        return runner.evaluate(self.recipe)

    def predict(self, predict_data: str | list[str], **flags: Any) -> list[str]:
        """The answers to texts or files; further flags as on the command line (`max_new_tokens`, `save_file`, ...).

        With `num_return_sequences` there are so many of each prompt, one behind the other.
        """
        given = dict.fromkeys(FLAGS) | {"predict_data": predict_data} | flags
        answers: list[str] = []
        runner.predict(self.recipe, Namespace(**given), answers)
        return answers

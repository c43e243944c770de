"""The way of a recipe: file -> overrides -> dataclasses -> checks -> warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindformers.config.decode import Decoder
from mindformers.config.fork import add_published_experts
from mindformers.config.inert import forget_warnings
from mindformers.config.intervals import apply_intervals
from mindformers.config.overrides import Overrides, apply_overrides
from mindformers.config.reading import read_yaml
from mindformers.config.schema.recipe import Recipe
from mindformers.config.validate import validate, warn_shadowed


def load_recipe(path: str | Path, overrides: Overrides = ()) -> Recipe:
    """Read a recipe, change it, check it.

    Each key that has no effect here is named in one warning line. A recipe of the published SciMind gets its experts.
    Paths inside stay as written, relative to the current folder.

    Args:
        path: YAML file in MindFormers' 0.8 dialect.
        overrides: dotted key -> value, e.g. `{"runner_config.epochs": 3}` or
            `[("callbacks.1.prefix", "mine")]`; text is read as a YAML value.

    Raises:
        InputError: the file or a value is unusable; names the line or the dotted key.
    """
    content = read_yaml(path)
    decoder = Decoder()
    recipe = decoder.build(Recipe, apply_overrides(content, overrides), "")
    recipe.name = Path(path).name
    validate(recipe)
    apply_intervals(recipe)
    add_published_experts(recipe, _has_experts(content))
    forget_warnings()
    decoder.warn()
    warn_shadowed(recipe)
    return recipe


def _has_experts(content: dict[str, Any]) -> bool:
    return "experts" in ((content.get("model") or {}).get("model_config") or {})

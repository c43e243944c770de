"""`--run_mode expert_report`: which experts the tokens of a data file use, as numbers and as a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.config import Recipe
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_file, write_json
from mindformers.tools.logging import get_logger
from mindformers.trainer.build import build_model_config, build_network, tokenizer_if_any
from mindformers.trainer.checkpoint import load_weights
from mindformers.trainer.data import open_data
from mindformers.trainer.expert_probe import ExpertUse, watch_choices
from mindformers.trainer.start import begin, required_checkpoint

logger = get_logger(__name__)


def expert_report(recipe: Recipe, flags: argparse.Namespace) -> dict[str, Any]:
    """Count the use of experts per layer and modality. Writes `expert_use.json` and `expert_use.png` into `--output`.

    Returns:
        What the JSON file holds.
    """
    for flag, value, expected in (
        ("--data", flags.data, "a MindRecord file"),
        ("--output", flags.output, "a folder"),
    ):
        if not value:
            raise InputError(flag, "not given", expected, f"pass {flag}")
    required_checkpoint(recipe)
    begin(recipe)
    config = routed_config(recipe)
    data = open_data(recipe, config, flags.data, recipe.eval_batch_size)
    net = build_network(recipe, config, random=False)
    load_weights(net, recipe.load_checkpoint)
    use = watch_choices(net, config, data, "counting experts")
    found = as_json(use, config)
    folder = Path(flags.output)
    write_json(folder / "expert_use.json", found)
    draw_use(use.shares(), folder / "expert_use.png")
    sys.stdout.write(table_of_use(found) + "\n")
    logger.info("expert use in %s", folder)
    return found


def routed_config(recipe: Recipe) -> Any:
    """The recipe's configuration. Raises InputError where it routes nothing."""
    config = build_model_config(recipe, tokenizer_if_any(recipe))
    if not config.is_routed:
        raise InputError("model.model_config.experts.routing", "none", "activation or learned", "set it in the recipe")
    return config


def as_json(use: ExpertUse, config: Any) -> dict[str, Any]:
    """`use`: modality -> [layer][expert] share of tokens; `tokens`, `balance` and `agreement` by modality."""
    shares = use.shares()
    tokens = {name: int(count) for name, count in zip(_names(), use.tokens, strict=True) if count}
    return {
        "routing": config.experts.routing,
        "num_experts": config.experts.num_experts,
        "tokens": tokens,
        "balance": use.balance(),
        "agreement": use.agreement(),
        "use": {name: np.round(values, 6).tolist() for name, values in shares.items()},
    }


def table_of_use(found: dict[str, Any]) -> str:
    """A line per modality: tokens, balance, agreement, and the experts that are used most and least."""
    lines = [
        f"{'modality':<11}{'tokens':>9}{'balance':>9}{'agreement':>11}   most and least used expert (mean of layers)"
    ]
    for name, values in found["use"].items():
        mean = np.mean(values, axis=0)
        most, least = int(mean.argmax()), int(mean.argmin())
        ends = f"{most} ({100 * mean[most]:.1f} %), {least} ({100 * mean[least]:.1f} %)"
        agreement = 100 * found["agreement"][name]
        lines.append(f"{name:<11}{found['tokens'][name]:>9}{found['balance'][name]:>9.3f}{agreement:>10.1f}%   {ends}")
    return "\n".join(lines)


def draw_use(shares: dict[str, np.ndarray], path: Path) -> None:
    """Heat maps [L, E], one per modality: the share of its tokens that use an expert."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(shares), figsize=(5 * len(shares), 4.2), layout="constrained", squeeze=False)
    for axis, (name, values) in zip(axes[0], shares.items(), strict=True):
        image = axis.imshow(100 * values, aspect="auto", cmap="viridis", vmin=0, interpolation="nearest")
        axis.set(title=name, xlabel="expert", ylabel="layer", xticks=range(values.shape[1]))
        axis.set_yticks(range(0, len(values), max(len(values) // 16, 1)))
        figure.colorbar(image, ax=axis, label="% of tokens")
    with replaced_file(path) as beside:
        figure.savefig(beside, format="png", dpi=110)
    pyplot.close(figure)


def _names() -> list[str]:
    from mindformers.modalities import MODALITIES

    return [row.name for row in MODALITIES]

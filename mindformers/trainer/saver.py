"""Checkpoints of a run: every so many steps, at its end, and the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mindspore import Parameter

from mindformers.config import CheckpointMonitor, Recipe
from mindformers.parallel.spreading import Spread
from mindformers.tools.logging import get_logger
from mindformers.trainer.checkpoint import save_checkpoint, save_parts, save_weights
from mindformers.trainer.checkpoint_files import CheckpointName, prune
from mindformers.trainer.run_state import RunState

logger = get_logger(__name__)
BEST = "best"


class Saver:
    """Writes what a run has learnt.

    Args:
        recipe: its `CheckpointMonitor`, or the defaults.
        weights: what a checkpoint holds.
        optimizer_state: what else a resumed run needs.
        metadata: texts for the head of every checkpoint.
        spread: how weights and state are spread over the devices of the run, of which the first writes.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights: Sequence[Parameter],
        optimizer_state: Sequence[Parameter],
        metadata: dict[str, str] | None = None,
        spread: Spread | None = None,
    ) -> None:
        settings = recipe.callback(CheckpointMonitor) or CheckpointMonitor("CheckpointMonitor", prefix="scimind")
        self.prefix, self.every, self.keep = (
            settings.prefix,
            settings.save_checkpoint_steps,
            settings.keep_checkpoint_max,
        )
        self.folder = Path(settings.directory or Path(recipe.output_dir) / "checkpoint")
        self.weights, self.optimizer_state, self.metadata = weights, optimizer_state, metadata or {}
        self.spread = spread or Spread()
        self.in_parts = not settings.integrated_save and self.spread.mesh.size > 1
        self.last: tuple[int, Path] | None = None

    def is_due(self, done: int) -> bool:
        """Whether the recipe wants a checkpoint after `done` steps."""
        return done % self.every == 0

    def save(self, state: RunState, steps_per_epoch: int) -> Path:
        """Write weights and state of this moment, unless they are written; the oldest beyond those kept go afterwards.

        Returns:
            The file of the weights.
        """
        if self.last is not None and self.last[0] == state.done:
            return self.last[1]
        epoch, step = divmod(state.done - 1, steps_per_epoch)
        name = CheckpointName(self.prefix, epoch + 1, step + 1)
        progress = {"progress": state.to_text()}
        what = (self.folder, name, self.weights, self.optimizer_state, progress, self.metadata)
        path = save_parts(*what, self.spread) if self.in_parts else save_checkpoint(*what, spread=self.spread)
        if self.spread.mesh.is_first:
            prune(self.folder, self.prefix, self.keep)
            logger.info("saved %s", path)
        self.last = (state.done, path)
        return path

    def save_best(self, metric: str, value: float, step: int) -> Path:
        """Write the weights of the best evaluation, over those of an earlier one. They are never pruned."""
        path = self.folder / f"{self.prefix}_{BEST}.safetensors"
        told = {"best_metric": metric, "best_value": repr(value), "best_step": str(step)}
        save_weights(self.weights, path, self.metadata | told, self.spread)
        logger.info("best so far: %s %.4f after step %d, in %s", metric, value, step, path)
        return path

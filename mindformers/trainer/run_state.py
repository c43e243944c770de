"""How far a run is: what a checkpoint keeps beside weights and optimizer, so that a resumed run is the same run."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from mindformers.tools.errors import InputError

_SMOOTHED_STEPS, _SMOOTHED_SHARE = 100, 0.1


@dataclass
class RunState:
    """Counters of a run.

    Args:
        examples_per_step, num_rows: of the data, to refuse a resumed run over other data.
        sources: name, parts and records of every source of a mixture, for the same reason.
        done: steps done.
        skipped: those of them that changed nothing, as their gradients were not finite.
        skipped_in_a_row: how many of these are the last ones.
        losses: of the steps since the last report, nats per token.
        overflowed: whether one of these steps was skipped.
        smooth: sum and weight of a moving average of the losses.
        scale: the loss scale's value and calm steps.
        best: value and step of the best evaluation; None before the first.
        evaluations_since_best: evaluations without a better one.
        random: the states of all random generators.
    """

    examples_per_step: int
    num_rows: int
    sources: list[list[Any]] = field(default_factory=list)
    done: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    losses: list[float] = field(default_factory=list)
    overflowed: bool = False
    smooth: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, int] = (1.0, 0)
    best: tuple[float, int] | None = None
    evaluations_since_best: int = 0
    random: dict[str, Any] = field(default_factory=dict)

    @property
    def smooth_loss(self) -> float:
        """The moving average; NaN where no loss was finite."""
        total, weight = self.smooth
        return total / weight if weight else math.nan

    def count(self, loss: float, is_finite: bool) -> None:
        """A step is done.

        In the moving average a loss counts 1/e after a hundred further steps, or after a tenth of those done where
        these are fewer, so that the steep fall of the first steps is soon forgotten. The weights are normalised.
        """
        self.done += 1
        self.skipped += not is_finite
        self.skipped_in_a_row = 0 if is_finite else self.skipped_in_a_row + 1
        self.overflowed |= not is_finite
        self.losses.append(loss)
        if math.isfinite(loss):
            keep = math.exp(-1 / min(_SMOOTHED_STEPS, max(1.0, _SMOOTHED_SHARE * self.done)))
            self.smooth = (keep * self.smooth[0] + loss, keep * self.smooth[1] + 1)

    def to_text(self) -> str:
        """JSON."""
        return json.dumps(asdict(self))

    def read(self, text: str) -> None:
        """Take over what `to_text` of the interrupted run said.

        Raises:
            InputError: that run had other data or steps.
        """
        saved = RunState(**json.loads(text))
        if (saved.examples_per_step, saved.num_rows) != (self.examples_per_step, self.num_rows):
            raise InputError(
                "resume_training",
                f"the run had {saved.examples_per_step} examples per step from {saved.num_rows} records",
                f"the same data; here {self.examples_per_step} per step from {self.num_rows} records",
                "resume with the recipe of that run",
            )
        if saved.sources != self.sources:
            raise InputError(
                "resume_training",
                f"the run had {_in_words(saved.sources)}",
                f"the same data; here {_in_words(self.sources)}",
                "resume with the recipe of that run",
            )
        for item in fields(self):
            setattr(self, item.name, getattr(saved, item.name))


def _in_words(sources: list[list[Any]]) -> str:
    described = [
        f"{name} {parts} of {sum(row[1] for row in sources)} ({rows} records)" for name, parts, rows in sources
    ]
    return f"the sources {', '.join(described)}" if described else "one source"

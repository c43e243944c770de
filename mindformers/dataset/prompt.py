"""One input of a prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mindformers.tools.errors import InputError

if TYPE_CHECKING:  # the evaluation reads the columns' names from here and stays light
    from mindformers.dataset.encode import Tokenizer

TASK_COLUMN = "task"
TRUTH_COLUMN = "ground truth"
PROBABILITY_COLUMN = "P(Yes)"


@dataclass(frozen=True)
class Prompt:
    """One input of a prediction.

    Args:
        text: what the model is given, rendered by the template.
        columns: what came with it and belongs beside the output, e.g. `SMILES` and `ground truth`.
        source: the file and line, or `predict_data`, for messages.
        choices: two answers as the template writes them, of which the first one's probability is asked for; none for a
            free answer. The probability goes into the column `P(Yes)`.
    """

    text: str
    columns: dict[str, str] = field(default_factory=dict)
    source: str = "predict_data"
    choices: tuple[str, ...] = ()

    def ids(self, tokenizer: Tokenizer) -> list[int]:
        """The text's token ids. Raises InputError, naming the source, for a sequence that cannot be written."""
        try:
            return tokenizer.encode(self.text)
        except InputError as error:
            raise InputError(f"{self.source}: {error.what}", error.got, error.expected, error.next_step) from error

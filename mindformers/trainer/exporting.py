"""`--run_mode export`: a checkpoint as a Hugging Face folder or as a MindIR graph."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from mindformers.config import Recipe
from mindformers.models import exporter_of
from mindformers.pet.adapter_file import StoredAdapter
from mindformers.pet.merging import AdaptedWeights
from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_file
from mindformers.tools.logging import get_logger
from mindformers.trainer.adapting import fitting_adapter, merge_adapter
from mindformers.trainer.build import build_model_config, build_network, tokenizer_if_any
from mindformers.trainer.checkpoint import find_checkpoint, load_weights
from mindformers.trainer.start import begin, required_checkpoint

logger = get_logger(__name__)


def export(recipe: Recipe, flags: argparse.Namespace) -> Path:
    """Write `--export_dir` in `--export_format` (hf by default). Returns the folder."""
    if not flags.export_dir:
        raise InputError("--export_dir", "not given", "a folder to write", "pass --export_dir DIR")
    checkpoint, folder = find_checkpoint(required_checkpoint(recipe)), Path(flags.export_dir)
    tokenizer = tokenizer_if_any(recipe)
    config = build_model_config(recipe, tokenizer)
    adapter = fitting_adapter(recipe, checkpoint)
    if flags.export_format == "mindir":
        _export_mindir(recipe, config, checkpoint, adapter, folder / "model.mindir")
    else:
        adapt = None if adapter is None else partial(AdaptedWeights, adapter=adapter)
        exporter_of(config)(config, checkpoint, folder, tokenizer, adapt=adapt)
    logger.info("exported to %s", folder)
    return folder


def _export_mindir(recipe: Recipe, config: object, checkpoint: Path, adapter: StoredAdapter | None, path: Path) -> None:
    """The graph from ids int32 [1, seq_length] to logits, in plain operators: native ones belong to this machine."""
    import mindspore as ms
    import numpy as np

    begin(recipe)
    net = build_network(recipe, config, random=False)
    load_weights(net, checkpoint)
    if adapter is not None:
        merge_adapter(net, adapter)
    for _, cell in net.cells_and_names():
        if getattr(cell, "native", None) is not None:
            cell.native = None
    net.set_train(False)
    ids = ms.Tensor(np.zeros((1, config.seq_length), np.int32))
    with replaced_file(path) as beside:
        whole = beside.with_name(f"{beside.name}.mindir")  # the name MindSpore writes to ends in .mindir
        ms.export(net, ids, file_name=str(whole), file_format="MINDIR")
        whole.rename(beside)
        beside.chmod(0o644)

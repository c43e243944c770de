"""An adapter into the weights of a checkpoint and off them again, tensor by tensor.

python -m mindformers.pet.merge --load_checkpoint BASE --adapter A --output O.safetensors [--config YAML]
python -m mindformers.pet.merge --load_checkpoint MERGED --adapter A --output O.safetensors --unmerge True
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mindformers.config import load_recipe
from mindformers.dataset.command_line import CommandParser, parse_bool, run_command
from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.pet.adapter_file import StoredAdapter
from mindformers.pet.fingerprint import digests_of, digests_of_arrays, whole_digest
from mindformers.pet.fitting import UNMERGED, check_base
from mindformers.pet.merging import AdaptedWeights, changed_names
from mindformers.tools.errors import InputError
from mindformers.tools.progress import Progress
from mindformers.tools.weight_files import Outgoing, WeightSource, write_safetensors
from mindformers.trainer.adapting import open_adapter
from mindformers.trainer.checkpoint import is_training_entry
from mindformers.trainer.checkpoint_files import find_checkpoint

MERGED = "merged_adapter"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 2 where the input cannot be used."""
    flags = _parser().parse_args(argv)
    return run_command(lambda: merge(flags))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m mindformers.pet.merge",
        description="Merge a LoRA adapter into its base's checkpoint, or take it off a merged one (--unmerge True).",
    )
    add = parser.add_argument
    add("--config", metavar="YAML", help="a recipe that names load_checkpoint or adapter, in place of the flags")
    add("--load_checkpoint", metavar="CKPT", help="the base, or with --unmerge the merged weights: a file or a folder")
    add("--adapter", metavar="PATH", help="the adapter: its folder, or checkpoints of its training")
    add("--output", required=True, type=Path, metavar="O.safetensors", help="the checkpoint to write")
    add("--unmerge", type=parse_bool, default=False, metavar="True|False", help="take the adapter off")
    return parser


def merge(flags: argparse.Namespace) -> str:
    """Write the checkpoint. Returns a line that says what was done."""
    if flags.output.suffix != ".safetensors":
        raise InputError("--output", f"'{flags.output}'", "the name of a .safetensors file", "correct the name")
    recipe = load_recipe(flags.config) if flags.config else None
    checkpoint = find_checkpoint(_given(flags.load_checkpoint, recipe and recipe.load_checkpoint, "--load_checkpoint"))
    adapter = open_adapter(_given(flags.adapter, recipe and recipe.adapter, "--adapter"))
    source = open_checkpoint(checkpoint)
    if flags.unmerge:
        _check_merged(checkpoint, source, adapter)
    else:
        check_base(adapter, checkpoint)
    target = AdaptedWeights(source, adapter, -1 if flags.unmerge else 1)
    _write(flags.output, target, _metadata(target, flags.unmerge))
    num_changed, way = len(changed_names(adapter, source.tensors)), "taken off" if flags.unmerge else "merged into"
    return f"{flags.output}: adapter {adapter.path} {way} {num_changed} of {len(source.tensors)} weights"


def _given(flag: str | None, key: str | None, name: str) -> str:
    if not (flag or key):
        raise InputError(name, "not given", "a file or a folder", f"pass {name} PATH")
    return str(flag or key)


def _check_merged(path: Path, source: WeightSource, adapter: StoredAdapter) -> None:
    """An adapter is taken off what it was merged into, and off nothing else."""
    own, _, merged = source.metadata.get(MERGED, "").partition(" ")
    if merged != _adapter_hash(adapter):
        got = "has no adapter in it" if not merged else "was merged with another adapter"
        expected = f"what --adapter {adapter.path} was merged into"
        raise InputError("--load_checkpoint", f"'{path}' {got}", expected, "name the merged checkpoint")
    if own != whole_digest(digests_of(source, _of_base(source, adapter))):
        got = f"'{path}' was trained or changed after the merge"
        raise InputError("--load_checkpoint", got, "the merged weights as they were", "name the merged checkpoint")


def _metadata(target: AdaptedWeights, is_unmerged: bool) -> dict[str, str]:
    """The source's texts, with what was done; a digest of the result tells whether the file is still that."""
    kept = {name: text for name, text in target.metadata.items() if name not in (MERGED, UNMERGED)}
    own = whole_digest(digests_of(target, _of_base(target, target.adapter)))
    if is_unmerged:
        return kept | {UNMERGED: f"{own} {target.adapter.config.base_model_hash}"}
    return kept | {MERGED: f"{own} {_adapter_hash(target.adapter)}"}


def _of_base(source: WeightSource, adapter: StoredAdapter) -> list[str]:
    return [name for name in adapter.config.base_weights if name in source.tensors]


def _adapter_hash(adapter: StoredAdapter) -> str:
    return whole_digest(digests_of_arrays(adapter.arrays))


def _write(output: Path, source: WeightSource, metadata: dict[str, str]) -> None:
    def blocks(name: str) -> list:
        return [source.read(name)]

    tensors = source.tensors.items()
    outgoing = [Outgoing(n, stored, partial(blocks, n)) for n, stored in tensors if not is_training_entry(n)]
    with Progress("writing", len(outgoing), "weights") as progress:
        write_safetensors(output, outgoing, {"format": "mindspore"} | metadata, progress.update)


if __name__ == "__main__":
    sys.exit(main())

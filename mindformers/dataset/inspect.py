"""A record of a MindRecord, or a row before it becomes one, as text: what is a prompt, what is learnt, which modality.

    python -m mindformers.dataset.inspect FILE.mindrecord [--index I] --model_file TOKENIZER [--eod_token_id N]
    python -m mindformers.dataset.inspect FILE.jsonl --dataset_type context_target [--index I] --model_file TOKENIZER
        [--template NAME] [--max_source_seq_len S] [--max_target_seq_len T]

On a terminal modalities have colours and learnt tokens are bold; elsewhere sequences stand in their tags and learnt
stretches in [[double brackets]]. The documents of a packed record stand below each other.
"""

from __future__ import annotations

import sys
from itertools import groupby, islice

import numpy as np

from mindformers.dataset.command_line import CommandParser, run_command
from mindformers.dataset.encode import IGNORE_ID, encode_example
from mindformers.dataset.example import BadRow
from mindformers.dataset.mindrecord import labels_of_ids, open_mindrecord
from mindformers.dataset.packing import document_spans
from mindformers.dataset.sources import make_source
from mindformers.dataset.templates import get_template
from mindformers.modalities import MODALITIES
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

_COLOURS = {"text": "", "molecule": "32", "nucleotide": "34", "protein": "35"}
_TARGET = "1"


def describe_record(
    file: str, index: int, tokenizer: object, is_coloured: bool = False, end_token_id: int | None = None
) -> str:
    """One record with a line of counts above it, and a line above each document where there are several.

    Args:
        file: the MindRecord; see `open_mindrecord`.
        index: number of the record, from 0.
        tokenizer: a `LlamaTokenizer`.
        is_coloured: ANSI colours instead of marks.
        end_token_id: a token that ends a document, where BOS does not begin one.

    Raises:
        InputError: there is no such file or record, or an id is not in the vocabulary.
    """
    reader = open_mindrecord(file, batch_size=1)
    if not 0 <= index < reader.num_rows:
        raise InputError("index", str(index), f"0 to {reader.num_rows - 1}", "")
    batch = next(reader.batches(0, skip_batches=index))
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    is_token = labels_of_ids(ids[None], tokenizer.pad_token_id)[0] != IGNORE_ID
    num_targets = int((labels != IGNORE_ID).sum())
    head = (
        f"record {index} of {reader.num_rows}: {len(ids)} places, {int(is_token.sum())} tokens, {num_targets} learnt, "
        f"{_modality_counts(ids[is_token], tokenizer)}"
    )
    is_prefix = getattr(tokenizer, "is_prefix", False)  # its BOS stands between prompt and answer
    spans = (
        [(0, int(is_token.sum()))] if is_prefix else document_spans(ids[is_token], tokenizer.bos_token_id, end_token_id)
    )
    texts = [render_record(ids[a:b], labels[a:b], tokenizer, is_coloured) for a, b in spans]
    if len(spans) == 1:
        return f"{head}\n{texts[0]}"
    titles = [f"-- document {i} of {len(spans)}: places {a} to {b - 1} --" for i, (a, b) in enumerate(spans, 1)]
    return "\n".join([head, *(line for both in zip(titles, texts, strict=True) for line in both)])


def describe_row(
    file: str, index: int, tokenizer: object, dataset_type: str, template: str | None = None, is_coloured: bool = False
) -> str:
    """A row of a file of examples as the model will see it.

    Args:
        file: of any format that `llama_preprocess.py` reads.
        index: number of the row, from 0.
        tokenizer: the model's.
        dataset_type: the format.
        template: how conversations are written; None for the format's own.
        is_coloured: ANSI colours instead of marks.

    Raises:
        InputError: there is no such file or row, or the row is a bad one.
    """
    source = make_source(dataset_type)
    row = next(islice(source.read(existing_file(file, "file")), max(index, 0), None), None)
    if row is None or index < 0:
        raise InputError("index", str(index), "the number of a row, from 0", "")
    found = row
    if not isinstance(row, BadRow):
        found = encode_example(row, get_template(template or source.template), tokenizer)
    if isinstance(found, BadRow):
        raise InputError(f"{found.file} line {found.line}", found.reason, "a whole row", "correct it")
    ids, labels = np.asarray(found.ids), np.asarray(found.labels)
    num_targets = int((labels != IGNORE_ID).sum())
    cut = f", cut from {found.num_tokens}" if found.is_truncated else ""
    head = f"row {index}, line {row.line}: {len(ids)} tokens{cut}, {num_targets} learnt"
    return f"{head}\n{render_record(ids, labels, tokenizer, is_coloured)}"


def render_record(ids: np.ndarray, labels: np.ndarray, tokenizer: object, is_coloured: bool) -> str:
    """Text of ids, int [S], with learnt stretches (label not -100, int [S]) and modalities marked."""
    table = tokenizer.modality_table()
    _check_ids(ids, len(table))
    kinds = [(label != IGNORE_ID, int(table[index])) for index, label in zip(ids, labels, strict=True)]
    parts = []
    is_target = False
    for (is_learnt, modality), run in groupby(zip(kinds, ids, strict=True), key=lambda pair: pair[0]):
        if not is_coloured and is_learnt != is_target:
            parts.append("[[" if is_learnt else "]]")
        is_target = is_learnt
        text = tokenizer.decode([int(i) for _, i in run], with_tags=not is_coloured, is_continuation=bool(parts))
        parts.append(_coloured(text, is_learnt, MODALITIES[modality].name) if is_coloured else text)
    return "".join(parts) + ("]]" if is_target and not is_coloured else "")


def _coloured(text: str, is_learnt: bool, modality: str) -> str:
    codes = ";".join(code for code in (_TARGET if is_learnt else "", _COLOURS[modality]) if code)
    return f"\033[{codes}m{text}\033[0m" if codes else text


def _modality_counts(ids: np.ndarray, tokenizer: object) -> str:
    table = tokenizer.modality_table()
    _check_ids(ids, len(table))
    counts = np.bincount(table[ids], minlength=len(MODALITIES))
    return ", ".join(f"{count} {row.name}" for row, count in zip(MODALITIES, counts, strict=True) if count)


def _check_ids(ids: np.ndarray, vocab_size: int) -> None:
    if len(ids) and not 0 <= ids.min() <= ids.max() < vocab_size:
        wrong = int(ids[(ids < 0) | (ids >= vocab_size)][0])
        raise InputError("token id", str(wrong), f"0 to {vocab_size - 1}", "use the tokenizer that made the file")


def main(words: list[str]) -> int:
    """Run with these arguments; returns the exit status."""
    parser = CommandParser(prog="python -m mindformers.dataset.inspect", description="Show a record as text.")
    parser.add_argument("file", help="a MindRecord, or a folder of them; with --dataset_type a file of examples")
    parser.add_argument("--index", type=int, default=0, help="number of the record, from 0 (default 0)")
    parser.add_argument("--model_file", required=True, help="the tokenizer.model that made the file")
    parser.add_argument("--eod_token_id", type=int, help="a token that ends a document, where BOS does not begin one")
    parser.add_argument("--dataset_type", help="show a row of a file in this format, as for llama_preprocess.py")
    parser.add_argument("--template", help="with --dataset_type: how conversations are written")
    for name in ("source", "target"):
        parser.add_argument(f"--max_{name}_seq_len", type=int, help="with ChatGLM's tokenizer, as in the recipe")
    flags = parser.parse_args(words)

    def command() -> str:
        from mindformers.models import tokenizer_of_file

        limits = {"max_source_seq_len": flags.max_source_seq_len, "max_target_seq_len": flags.max_target_seq_len}
        tokenizer, is_coloured = tokenizer_of_file(flags.model_file, **limits), sys.stdout.isatty()
        if flags.dataset_type is None:
            return describe_record(flags.file, flags.index, tokenizer, is_coloured, flags.eod_token_id)
        return describe_row(flags.file, flags.index, tokenizer, flags.dataset_type, flags.template, is_coloured)

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

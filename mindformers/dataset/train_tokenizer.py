"""Train a small SentencePiece model on one's own texts: `python -m mindformers.dataset.train_tokenizer --help`.

For models that start from random weights. Sequences in tags or token form are left out: they have tokens of their own.
"""

from __future__ import annotations

import argparse
import glob
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mindformers.dataset.example import BadRow, LeftOut
from mindformers.dataset.sources import make_source
from mindformers.dataset.templates import get_template
from mindformers.modalities import TEXT, split_spans
from mindformers.tools.errors import EXIT_BAD_INPUT, EXIT_OK, InputError
from mindformers.tools.files import replaced_file

_FAMILIES = {
    "llama": {"byte_fallback": True, "pad_id": -1},
    "chatglm": {"byte_fallback": False, "pad_id": 3, "user_defined_symbols": ["<n>"]},
}


def texts_of(pattern: str, dataset_type: str, template: str) -> Iterator[str]:
    """The text stretches of all examples, as the template writes them.

    Raises:
        InputError: no file matches, or a row is bad.
    """
    files = sorted(glob.glob(pattern))
    if not files:
        raise InputError("--input_glob", f"no file matches '{pattern}'", "one file or more", "check the pattern")
    writer = get_template(template)
    for file in files:
        for example in make_source(dataset_type).read(Path(file)):
            if isinstance(example, LeftOut):
                continue
            if isinstance(example, BadRow):
                raise InputError(f"{example.file} line {example.line}", example.reason, "a whole row", "correct it")
            stretches = [part.text for part in writer.segments(example.turns)] if example.turns else [example.text]
            for text in stretches:
                yield from (span.sequence for span in split_spans(text) if span.modality is TEXT)


def train_tokenizer(texts: Iterator[str], output: str | Path, vocab_size: int, family: str = "llama") -> None:
    """Train byte-pair pieces with a family's conventions, bytes as fallback and no normalisation.

    LLaMA: unk 0, BOS 1, EOS 2. ChatGLM: unk 0, BOS 1, EOS 2, padding 3, line break 4; its tokenizer adds the other
    special tokens, the blanks and the bytes behind the pieces.

    Raises:
        InputError: the texts do not give that many pieces.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    if family == "chatglm":
        texts = (line for text in texts for line in text.split("\n") if line)
    try:
        SentencePieceTrainer.train(
            sentence_iterator=texts,
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            split_digits=True,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            num_threads=1,
            minloglevel=2,
            **_FAMILIES[family],
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError("--vocab_size", f"{vocab_size} ({reason})", "fewer pieces or more text", "lower it") from error
    with replaced_file(output) as beside:
        beside.write_bytes(model.getvalue())


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input_glob", required=True, help="files of examples")
    parser.add_argument("--dataset_type", default="qa", help="their format, as for llama_preprocess.py")
    parser.add_argument("--template", default="vicuna", help="how conversations are written")
    parser.add_argument(
        "--vocab_size", type=int, default=1024, help="pieces, the 256 bytes and 3 special ones included"
    )
    parser.add_argument("--output_file", required=True, help="the SentencePiece .model to write")
    parser.add_argument("--family", choices=_FAMILIES, default="llama", help="whose conventions (default llama)")
    given = parser.parse_args(argv)
    try:
        texts = texts_of(given.input_glob, given.dataset_type, given.template)
        train_tokenizer(texts, given.output_file, given.vocab_size, given.family)
    except InputError as error:
        sys.stderr.write(f"error: {error.line()}\n")
        return EXIT_BAD_INPUT
    sys.stdout.write(f"{given.vocab_size} pieces in {given.output_file}\n")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())

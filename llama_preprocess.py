"""Files of conversations, instructions, text or sequences to MindRecord for training."""

from __future__ import annotations

import sys

from mindformers.dataset.command_line import CommandParser, parse_bool, run_command
from mindformers.dataset.preprocess import PreprocessSettings, preprocess
from mindformers.dataset.sources import source_names
from mindformers.dataset.templates import template_names
from mindformers.models import tokenizer_of_file


def parse_arguments(words: list[str]) -> tuple[PreprocessSettings, str, dict[str, int | None]]:
    """The settings, the tokenizer's file, and the limits of ChatGLM's prompts and answers."""
    parser = CommandParser(prog="llama_preprocess.py", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add(
        "--dataset_type",
        required=True,
        help=f"format of the input: {', '.join(source_names())}. qa, sharegpt: conversations; alpaca: instruction, "
        "input, output; context_target: ready prompts; text: a document a line; smiles: one a line or a column; "
        "protein, nucleotide: FASTA, GenBank or lines; promoter, protein_class: labelled sequences; "
        "protein_function: UniProt's FASTA or a table; chebi20: SMILES to description, chebi20_molgen the other way. "
        ".xz and .gz are unpacked",
    )
    add(
        "--input_glob", required=True, help="input file, or a pattern in quotes; files are read in order of their names"
    )
    add("--model_file", required=True, help="the tokenizer: LLaMA's tokenizer.model or another SentencePiece model")
    add("--output_file", required=True, help="the MindRecord to write, *.mindrecord; replaced if it exists")
    add("--seq_length", type=int, default=2048, help="tokens the model sees; a record has one more (default 2048)")
    add("--file_partition", type=int, default=1, help="number of files to write (default 1)")
    add("--repeat", type=int, default=1, help="how often the input is written (default 1)")
    add("--template", help=f"{', '.join(template_names())} (default: vicuna for qa, plain for context_target, ...)")
    add(
        "--pack",
        type=parse_bool,
        metavar="True|False",
        help="put several examples into one record (default: True for text and sequences, False for conversations)",
    )
    add("--report", help="JSON file for rows read, written, bad and truncated, tokens per modality, lengths and time")
    add("--workers", type=int, help="processes that encode; the output is the same for any (default: processors)")
    add(
        "--max_errors",
        type=int,
        default=100,
        help="bad rows that may be left out (default 100). One more ends the run with status 2 and no output; 0 allows "
        "none, -1 any number",
    )
    bools = {"type": parse_bool, "metavar": "True|False"}
    add(
        "--check_molecules",
        **bools,
        help="leave out what RDKit cannot read (default: True for smiles, chebi20)",
    )
    add("--window", type=int, help="of proteins and nucleotides: characters a window (default: what a record holds)")
    add("--stride", type=int, help="characters from one window to the next (default: the window)")
    add("--reverse_complement", **bools, help="of nucleotides: add the other strand of every window (default False)")
    add("--max_source_seq_len", type=int, help="with ChatGLM's tokenizer: tokens of a prompt")
    add("--max_target_seq_len", type=int, help="with ChatGLM's tokenizer: tokens of an answer")
    flags = vars(parser.parse_args(words))
    model_file = flags.pop("model_file")
    limits = {name: flags.pop(name) for name in ("max_source_seq_len", "max_target_seq_len")}
    return PreprocessSettings(**flags), model_file, limits


def main(words: list[str]) -> int:
    """Run with these arguments; returns the exit status."""
    settings, model_file, limits = parse_arguments(words)

    def command() -> str:
        report = preprocess(settings, tokenizer_of_file(model_file, **limits))
        return f"{settings.output_file}: {report.summary()}"

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

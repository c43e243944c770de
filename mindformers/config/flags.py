"""The flags of run_mindformer.py as a table: type, recipe key, run modes, help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindformers.config.schema.recipe import RUN_MODES

ALL = frozenset(RUN_MODES)
TRAINING = frozenset({"train", "finetune"})
EXPERTS = frozenset({"split_experts", "tune_routers", "expert_report"})
PLANNING = frozenset({"plan"})
ANSWERING = frozenset({"predict", "chat"})
READING_DATA = TRAINING | EXPERTS | {"eval"}


@dataclass(frozen=True)
class Flag:
    """One flag.

    Args:
        name: as typed, without the dashes.
        kind: type of its value.
        help: what it does.
        modes: run modes in which it means something.
        key: dotted recipe key that it sets; empty where it belongs to the command alone.
        choices: the values that are accepted; empty means all of its type.
        is_list: whether several values may follow.
        clears: dotted recipe key that gives way to this one.
    """

    name: str
    kind: Literal["text", "whole", "number", "bool"]
    help: str
    modes: frozenset[str] = ALL
    key: str = ""
    choices: tuple[str, ...] = ()
    is_list: bool = False
    clears: str = ""


GENERAL = (
    Flag("config", "text", "the recipe, a YAML file"),
    Flag(
        "run_mode", "text", "what to do; the recipe's run_mode where it is not given", key="run_mode", choices=RUN_MODES
    ),
    Flag("load_checkpoint", "text", "weights to start from: a file or a folder", key="load_checkpoint"),
    Flag("output_dir", "text", "folder of logs, checkpoints and results", key="output_dir"),
    Flag("seed", "whole", "start of every random draw", key="seed"),
    Flag("options", "text", "overrides as KEY=VALUE, dotted keys as in the recipe", is_list=True),
    Flag("device_target", "text", "kind of device", key="context.device_target", choices=("CPU", "Ascend", "GPU")),
    Flag("device_id", "whole", "which device of this machine", key="context.device_id"),
    Flag("mode", "text", "0 graph mode, 1 operator by operator", key="context.mode", choices=("0", "1")),
    Flag("use_parallel", "bool", "this process is one of several", key="use_parallel"),
)
DATA = (
    Flag(
        "train_dataset_dir",
        "text",
        "MindRecord file or folder to train on, in place of the recipe's sources",
        TRAINING | PLANNING,
        "train_dataset.data_loader.dataset_dir",
        clears="train_dataset.data_loader.sources",
    ),
    Flag(
        "eval_dataset_dir",
        "text",
        "MindRecord file or folder to evaluate on",
        TRAINING | {"eval"},
        "eval_dataset.data_loader.dataset_dir",
    ),
    Flag("num_samples", "whole", "use only so many records", READING_DATA | PLANNING, "runner_config.num_samples"),
    Flag("batch_size", "whole", "examples per step and device", READING_DATA | PLANNING, "runner_config.batch_size"),
)
TRAIN = (
    Flag("epochs", "whole", "passes over the data", TRAINING | PLANNING | {"tune_routers"}, "runner_config.epochs"),
    Flag("resume_training", "bool", "also take up optimizer, step and data position", TRAINING, "resume_training"),
    Flag("sink_mode", "bool", "MindSpore's data sinking", TRAINING, "runner_config.sink_mode"),
    Flag("profile", "bool", "write the times of a step's parts to profile.json", TRAINING, "profile"),
)
PREDICT = (
    Flag("predict_data", "text", "texts, or a .txt, .json, .tsv or .csv file", frozenset({"predict"}), is_list=True),
    Flag("predict_batch_size", "whole", "prompts at once", frozenset({"predict", "plan"})),
    Flag("num_shots", "whole", "solved examples before a ChemLLMBench item; all it has", frozenset({"predict"})),
    Flag("shots_data", "text", "ChemLLMBench files with more solved examples", frozenset({"predict"}), is_list=True),
    Flag("score_as", "text", "also score --save_file: caption, molgen or chemllmbench", frozenset({"predict"})),
    Flag("text_tokenizer", "text", "WordPiece vocabulary for --score_as", frozenset({"predict"})),
    Flag("save_file", "text", "file that the answers are appended to", frozenset({"predict"})),
    Flag("resume", "bool", "continue an interrupted --save_file", frozenset({"predict"})),
    Flag(
        "adapter",
        "text",
        "LoRA adapter of --load_checkpoint: its folder, or checkpoints of its training",
        TRAINING | ANSWERING | {"eval", "export"},
        "adapter",
    ),
    Flag("num_beams", "whole", "width of beam search; 1 is none", ANSWERING),
    Flag("length_penalty", "number", "beams: above 0 favours long answers, below 0 short ones; 1", ANSWERING),
    Flag("num_return_sequences", "whole", "answers to each prompt, drawn or the best beams", frozenset({"predict"})),
    Flag("log_probabilities", "bool", "write each answer's log-probability beside it", frozenset({"predict"})),
    Flag("do_sample", "bool", "draw tokens at random rather than take the likeliest", ANSWERING),
    Flag("top_k", "whole", "draw from so many likeliest tokens", ANSWERING),
    Flag("top_p", "number", "draw from the likeliest tokens that together have this probability", ANSWERING),
    Flag("temperature", "number", "below 1 bolder, above 1 more even", ANSWERING),
    Flag("repetition_penalty", "number", "above 1 makes repetition less likely", ANSWERING),
    Flag("max_new_tokens", "whole", "longest answer, tokens", ANSWERING),
    Flag("min_new_tokens", "whole", "shortest answer, tokens", ANSWERING),
    Flag("stop", "text", "texts that end an answer, which is cut before them", ANSWERING, is_list=True),
    Flag(
        "constrain", "text", "only valid answers of this form", ANSWERING, choices=("smiles", "protein", "dna", "rna")
    ),
)
OTHER = (
    Flag("export_format", "text", "what to write", frozenset({"export"}), choices=("hf", "mindir")),
    Flag("export_dir", "text", "folder to write to", frozenset({"export"})),
    Flag("method", "text", "how neurons are grouped", frozenset({"split_experts"}), choices=("kmeans", "coactivation")),
    Flag("patterns_dir", "text", "folder of published patterns_*.npy files", frozenset({"split_experts"})),
    Flag("data", "text", "MindRecord file that the experts are judged on", EXPERTS),
    Flag("output", "text", "file or folder to write", EXPERTS),
)
PLAN = (
    Flag("device_num", "whole", "devices to plan for; those of parallel_config where not given", PLANNING),
    Flag("device_memory", "text", "memory of one device, e.g. 32GB", PLANNING),
)
GROUPS = {
    "general": GENERAL,
    "data": DATA,
    "training": TRAIN,
    "prediction and chat": PREDICT,
    "export, experts": OTHER,
    "plan": PLAN,
}
FLAGS: dict[str, Flag] = {flag.name: flag for group in GROUPS.values() for flag in group}

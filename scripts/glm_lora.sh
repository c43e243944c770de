#!/usr/bin/env bash
# ChatGLM with LoRA in miniature: a small base, converted there and back, an adapter for answers in a strict format,
# and what it changed on rows that it has not seen.
#   bash scripts/glm_lora.sh TRAIN.jsonl DEV.jsonl          begin anew
#   bash scripts/glm_lora.sh --keep TRAIN.jsonl DEV.jsonl   keep what an earlier run has made and do what is missing
# The files hold JSON lines of `context` and `target`. All that is made lies in output/glm_lora.
set -euo pipefail
HERE=$PWD
cd "$(dirname "$0")/.."
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' scripts/glm_lora.sh; }

given() { # given NAME FILE: the path of a readable file, seen from the folder that the user stands in
    local path=$2
    [[ "$path" == /* ]] || path=$HERE/$path
    [ -f "$path" ] && [ -r "$path" ] ||
        fail "$1: '$2' is not a file that can be read; expected JSON lines of context and target; check the path"
    echo "$path"
}

KEEP=
case "${1:-}" in
-h | --help) usage && exit 0 ;;
--keep) KEEP=1 && shift ;;
esac
[ $# = 2 ] || fail "arguments: $# files given; expected TRAIN.jsonl DEV.jsonl; see --help"
TRAIN=$(given TRAIN "$1")
DEV=$(given DEV "$2")

OUT=output/glm_lora
TOKENIZER=$OUT/ice_text.model
use_environment requirements.txt
START=$SECONDS
[ -n "$KEEP" ] || rm -rf "$OUT"
mkdir -p "$OUT"

tokenize() {
    python -m mindformers.dataset.train_tokenizer --family chatglm --vocab_size 6000 --dataset_type context_target \
        --template plain --input_glob "$TRAIN" --output_file "$TOKENIZER"
}

run() { # run RECIPE FLAGS...
    local recipe=$1
    shift
    python run_mindformer.py --config "configs/glm/run_glm_tiny_$recipe.yaml" \
        --processor.tokenizer.vocab_file "$TOKENIZER" "$@"
}

convert() { # convert FLAGS...: between our checkpoint and the published form
    python -m mindformers.models.glm.convert_weight --config configs/glm/run_glm_tiny_lora.yaml \
        --vocab_file "$TOKENIZER" "$@"
}

base() {
    run base --output_dir "$OUT/base" --train_dataset.data_loader.sources.0.dataset_dir "$TRAIN" \
        --train_dataset.data_loader.sources.1.dataset_dir "$TRAIN"
}

evaluate() {
    run lora --run_mode eval --load_checkpoint "$OUT/base.safetensors" --eval_dataset_dir "$DEV" --output_dir "$OUT/before"
}

tune() {
    run lora --load_checkpoint "$OUT/base.safetensors" --train_dataset_dir "$TRAIN" --eval_dataset_dir "$DEV" \
        --output_dir "$OUT/lora"
}

answer() { # answer NAME FLAGS...: answers to the held-out rows, and their scores
    local name=$1
    shift
    run lora --run_mode predict --predict_data "$DEV" --save_file "$OUT/$name.tsv" --resume True \
        --score_as structured --output_dir "$OUT/$name" "$@"
}

compare() {
    python -m mindformers.evaluation --compare "$OUT/before.metrics.json" "$OUT/adapter.metrics.json"
    python - "$OUT/before/eval.json" "$OUT/lora/eval.json" <<'END'
import json, sys
from pathlib import Path

before, after = (json.loads(Path(path).read_text(encoding="utf-8"))["total"] for path in sys.argv[1:])
for name in ("loss", "perplexity", "accuracy"):
    change = 100 * (after[name] / before[name] - 1)
    print(f"{name:<12}{before[name]:>10.4f} --> {after[name]:<10.4f}{change:+.1f} %")
END
}

step "$TOKENIZER" "A tokenizer of these texts" tokenize
step "$OUT/base/loss.png" "A small base that knows their language" base
step "$OUT/published" "The base in the published form" convert --checkpoint "$OUT/base/checkpoint" --hf_dir "$OUT/published"
step "$OUT/base.safetensors" "The published form as a checkpoint" \
    convert --hf_dir "$OUT/published" --output "$OUT/base.safetensors"
step "$OUT/before/eval.json" "Loss of the base on held-out rows" evaluate
step "$OUT/before.metrics.json" "Answers of the base" answer before --load_checkpoint "$OUT/base.safetensors"
step "$OUT/lora/eval.json" "LoRA" tune
step "$OUT/adapter.metrics.json" "Answers with the adapter beside the base" \
    answer adapter --load_checkpoint "$OUT/base.safetensors" --adapter "$OUT/lora/adapter"
step "$OUT/merged.safetensors" "The adapter merged into the base" \
    python -m mindformers.pet.merge --load_checkpoint "$OUT/base.safetensors" --adapter "$OUT/lora/adapter" \
    --output "$OUT/merged.safetensors"
step "$OUT/merged.metrics.json" "Answers of the merged weights" answer merged --load_checkpoint "$OUT/merged.safetensors"
echo "== Before and after, on held-out rows"
compare
cmp "$OUT/adapter.tsv" "$OUT/merged.tsv"
echo "adapter and merged weights give the same answers, byte by byte"
echo "done in $(((SECONDS - START) / 60)) min $(((SECONDS - START) % 60)) s after the installation"

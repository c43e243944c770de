#!/usr/bin/env bash
# From a fresh clone to scored predictions: install, prepare data, fine-tune a small SciMind, predict, score.
#   bash scripts/quickstart.sh          begin anew
#   bash scripts/quickstart.sh --keep   keep what an earlier run has made and do only what is missing
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

usage() {
    echo "usage: bash scripts/quickstart.sh [--keep]"
    echo "  --keep   keep what an earlier run has made and do only what is missing"
}

KEEP=
for argument in "$@"; do
    case "$argument" in
    --keep) KEEP=1 ;;
    -h | --help) usage && exit 0 ;;
    *) fail "argument: unknown '$argument'; expected --keep or nothing; see --help" ;;
    esac
done

OUT=output/quickstart
DATA=LPM-24-data
RECIPE=configs/llama2/run_scimind_tiny.yaml
SEQ_LENGTH=224
TRAIN_JSON=$DATA/smiles2text/LPM-24_train_qa_conversation.json
TEST_JSON=$DATA/smiles2text/LPM-24_test_qa_conversation.json
TEST_TABLE=$DATA/smiles2text_generate/LPM-24_smiles2text_test.tsv

use_environment requirements.txt
START=$SECONDS
[ -n "$KEEP" ] || rm -rf "$OUT"
mkdir -p "$OUT"

preprocess() { # preprocess JSON NAME
    python llama_preprocess.py --dataset_type qa --input_glob "$1" --model_file "$OUT/tokenizer.model" \
        --seq_length "$SEQ_LENGTH" --output_file "$OUT/$2.mindrecord" --report "$OUT/$2.report.json"
}

train() {
    python run_mindformer.py --config "$RECIPE" --run_mode finetune
}

predict() {
    python run_mindformer.py --config "$RECIPE" --run_mode predict --load_checkpoint "$OUT/checkpoint" \
        --predict_data "$TEST_TABLE" --save_file "$OUT/predictions.tsv" --resume True
}

score() {
    python -m mindformers.evaluation --task caption --predictions "$OUT/predictions.tsv" --baseline "$TRAIN_JSON" \
        --output "$OUT/metrics.json"
}

step "$OUT/tokenizer.model" "Text pieces from the training captions" \
    python -m mindformers.dataset.train_tokenizer --input_glob "$TRAIN_JSON" --output_file "$OUT/tokenizer.model"
step "$OUT/train.mindrecord" "Training data" preprocess "$TRAIN_JSON" train
step "$OUT/test.mindrecord" "Held-out data" preprocess "$TEST_JSON" test
step "$OUT/loss.png" "Fine-tuning a small SciMind (3 to 6 minutes on two cores)" train
step "$OUT/eval.json" "Loss on held-out molecules" \
    python run_mindformer.py --config "$RECIPE" --run_mode eval --load_checkpoint "$OUT/checkpoint"
echo "== Descriptions of held-out molecules"
predict
echo "== Scores, beside the most frequent training caption as an answer to everything"
score
python -m mindformers.trainer.summary "$OUT"
echo "done in $(((SECONDS - START) / 60)) min $(((SECONDS - START) % 60)) s after the installation"

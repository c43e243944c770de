#!/usr/bin/env bash
# ChemDFM's two stages in miniature: pre-train on a mixture of sources, fine-tune on instructions, answer in rounds.
#   bash scripts/two_stages.sh          from the samples of this repository to answers on a CPU
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

case "${1:-}" in
"") ;;
-h | --help) sed -n '2,3s/^# //p' "$0" && exit 0 ;;
*) fail "argument: unknown '$1'; expected nothing; see --help" ;;
esac

OUT=output/two_stages
QA=LPM-24-data/smiles2text
use_environment requirements.txt
START=$SECONDS
rm -rf "$OUT"
mkdir -p "$OUT"

texts() { # descriptions and molecules as lines, and with them all that the tokenizer shall know
    python - "$QA/LPM-24_train.json" samples/general_qa.json "$OUT" <<'END'
import json, sys
from pathlib import Path

rows, talks = (json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:3])
captions, molecules = ([row[key] for row in rows] for key in ("caption", "molecule"))
said = [turn["value"] for talk in talks for turn in talk["conversation"]]
for name, lines in (("text", captions), ("molecule", molecules), ("corpus", captions + 5 * said)):
    Path(sys.argv[3], f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
END
}

preprocess() { # preprocess TYPE INPUT NAME [MORE FLAGS]
    local type=$1 input=$2 name=$3
    shift 3
    python llama_preprocess.py --dataset_type "$type" --input_glob "$input" --model_file "$OUT/tokenizer.model" \
        --seq_length 224 --output_file "$OUT/$name.mindrecord" "$@"
}

run() { # run STAGE MODE [MORE FLAGS]
    local stage=$1
    shift
    python run_mindformer.py --config "configs/llama2/run_chemdfm_tiny_$stage.yaml" --run_mode "$@"
}

echo "== Texts, and a tokenizer for them"
texts
python -m mindformers.dataset.train_tokenizer --dataset_type text --input_glob "$OUT/corpus.txt" \
    --output_file "$OUT/tokenizer.model"
echo "== Data of the first stage: several documents share a record"
preprocess text "$OUT/text.txt" text
preprocess smiles "$OUT/molecule.txt" molecule
preprocess protein samples/protein.fasta protein
preprocess nucleotide samples/nucleotide.fasta nucleotide
echo "== Data of the second stage: conversations in rounds"
preprocess qa "$QA/LPM-24_train_qa_conversation.json" chemistry --template chemdfm --pack True
preprocess qa samples/general_qa.json general --template chemdfm --pack True
preprocess qa "$QA/LPM-24_test_qa_conversation.json" held_out --template chemdfm --pack True
echo "== First stage: text, molecules, proteins and genes, 4 : 3 : 2 : 1"
run pretrain train
echo "== Second stage: chemistry and general, 1 : 2"
run finetune finetune
echo "== Loss on held-out molecules, and answers"
run finetune eval --load_checkpoint "$OUT/finetune/checkpoint"
run finetune predict --load_checkpoint "$OUT/finetune/checkpoint" --predict_data "What is 3 plus 5?" \
    "Which month comes after May?" "Describe this molecule: <molecule>CCCCCCCCO</molecule>"
echo "done in $(((SECONDS - START) / 60)) min $(((SECONDS - START) % 60)) s after the installation"

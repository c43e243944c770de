"""Where the fixtures lie."""

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
CAPTIONS, MOLECULES = DATA / "eval_caption.tsv", DATA / "eval_molgen.tsv"
VOCABULARY, TRAINING = DATA / "eval_vocab.txt", DATA / "eval_train.json"

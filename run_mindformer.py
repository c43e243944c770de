"""Train, evaluate and use SciMind: `python run_mindformer.py --config RECIPE --run_mode MODE [flags]`, see `--help`."""

from __future__ import annotations

import sys

from mindformers.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

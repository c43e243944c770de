"""Runs the command of `mindformers.dataset.lpm24`."""

import sys

from mindformers.dataset.lpm24.command import main

if __name__ == "__main__":
    sys.exit(main())

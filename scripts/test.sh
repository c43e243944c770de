#!/usr/bin/env bash
# Install what the tests need and run them all: bash scripts/test.sh [pytest arguments]
# Two processes share the tests, whole files each; -n 0 runs them in one.
# Without arguments line coverage of the data side is measured too, and may not fall under 90 %.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

install_wordnet() { # for METEOR; where this is not possible, the tests that need it say so and are skipped
    [ -e /usr/share/wordnet/index.sense ] || [ -e /usr/share/wordnet/index.noun ] && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    echo "installing WordNet"
    { apt-get update && apt-get install -y --no-install-recommends wordnet-base wordnet-sense-index; } >/dev/null 2>&1 ||
        echo "WordNet could not be installed; the tests that need it will be skipped" >&2
}

use_environment requirements-dev.txt
install_wordnet
ruff check .
ruff format --check .
coverage=()
[ $# -gt 0 ] || coverage=(
    --cov=mindformers.modalities --cov=mindformers.dataset --cov=mindformers.config
    --cov-report=term:skip-covered --cov-fail-under=90
)
python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "${coverage[@]}" "$@"

#!/usr/bin/env bash
# One process on one device; its log is also shown. Ctrl-C or SIGTERM stops it.
#   bash scripts/run_standalone.sh CONFIG DEVICE_ID RUN_MODE [--flag value ...]
set -euo pipefail
# shellcheck source=scripts/environment.sh
. "$(dirname "$0")/environment.sh"

launch standalone "$0" "$@"

#!/usr/bin/env bash
# The processes of this server, as HCCL's rank table places them. What the first writes is shown; where one fails the
# others are stopped and its error is printed. On a CPU they meet at port MS_SCHED_PORT (8118).
#   bash scripts/run_distribute.sh RANK_TABLE_FILE CONFIG '[0,8]' RUN_MODE [RANK_SIZE] [--flag value ...]
# [0,8] are the ranks of this server, the last left out. Logs: OUTPUT_DIR/log/rank_N/{mindformer,info,error}.log
set -euo pipefail
# shellcheck source=scripts/environment.sh
. "$(dirname "$0")/environment.sh"

launch distribute "$0" "$@"

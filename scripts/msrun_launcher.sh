#!/usr/bin/env bash
# Processes that find each other by MindSpore's scheduler, as `msrun` starts them, on Ascend and on CPU.
#   bash scripts/msrun_launcher.sh "run_mindformer.py ARGS" WORKER_NUM [LOCAL_WORKER [PORT [LOG_DIR [JOIN [TIMEOUT]]]]]
# MindFormers' orders are read too:
#   "run_mindformer.py ARGS" WORKER_NUM PORT LOG_DIR JOIN TIMEOUT
#   "run_mindformer.py ARGS" WORKER_NUM LOCAL_WORKER MASTER_ADDR PORT NODE_RANK LOG_DIR JOIN TIMEOUT    on several machines
# WORKER_NUM 8, PORT 8118, LOG_DIR output/msrun_log, TIMEOUT 7200 seconds to find each other. JOIN True (the default)
# waits for the end, False goes on in the background. Logs: LOG_DIR/worker_N.log and scheduler.log
set -euo pipefail
# shellcheck source=scripts/environment.sh
. "$(dirname "$0")/environment.sh"

launch msrun "$0" "$@"

#!/usr/bin/env bash
# One scheduled round of training, for cron: */5 * * * * <repo>/scripts/run_training.sh
# Ends at once with exit code 0 and a message when nothing has changed or another round runs.
set -euo pipefail
exec "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)/run.sh" train --if-changed "$@" </dev/null

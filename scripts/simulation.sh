#!/usr/bin/env bash
# Simulated data: scripts/simulation.sh [1|2|all] [options of ./run.sh simulate]
# 1: prices and sensors of markets; 2: listings of a shop; all: both.
set -euo pipefail
sample="${1:-all}"
case "$sample" in
    1 | 2 | all) ;;
    -h | --help)
        sample=all
        set -- all --help
        ;;
    *)
        printf 'usage: scripts/simulation.sh [1|2|all] [options of ./run.sh simulate]\n' >&2
        exit 2
        ;;
esac
[ $# -eq 0 ] || shift
exec "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)/run.sh" simulate "$sample" "$@"

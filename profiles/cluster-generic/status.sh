#!/bin/sh
# success, failed or running: what became of a job of SLURM, by its number.
state=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>/dev/null || sacct -n -X -P -o State -j "$1") || exit 1
case "$state" in
COMPLETED*) echo success ;;
BOOT_FAIL* | CANCELLED* | DEADLINE* | FAILED* | NODE_FAIL* | OUT_OF_ME* | PREEMPTED* | TIMEOUT*) echo failed ;;
*) echo running ;;
esac

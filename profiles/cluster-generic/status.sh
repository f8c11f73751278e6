#!/bin/sh
# Print the state of a SLURM job, by its number: success, failed or running.
state=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>/dev/null ||
    sacct -n -X -P -o State -j "$1") || exit 1
case "$state" in
COMPLETED*) echo success ;;
BOOT_FAIL* | CANCELLED* | DEADLINE* | FAILED*) echo failed ;;
NODE_FAIL* | OUT_OF_ME* | PREEMPTED* | TIMEOUT*) echo failed ;;
*) echo running ;;
esac

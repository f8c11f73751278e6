#!/usr/bin/env bash
# A real SLURM of one node, for the tests: start-slurm.sh FOLDER [stop], with slurm-wlm and munge installed. All that it writes
# lies in FOLDER, it listens on the one address that the host's name has, loopback as a rule, and FOLDER/bin has the commands
# that find it; a SLURM that the machine has is left as it is. Partitions cpu and gpu; one GPU, which is only a name.
set -euo pipefail
mkdir -p "$1" && folder=$(cd "$1" && pwd) node=$(hostname -s) user=$(id -un)
address=$(getent ahostsv4 "$node" | awk 'NR == 1 {print $1}') || true
[ -n "$address" ] || { echo "start-slurm: expected an IPv4 address for the host's name, $node, found none" >&2 && exit 1; }
export SLURM_CONF=$folder/slurm.conf
port=$((20000 + $(cksum <<<"$folder" | cut -d" " -f1) % 10000 * 2)) # so that two of them live side by side
memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.95)}' /proc/meminfo)

wait_for() {
    for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    echo "start-slurm: waited 20 s for: $*" >&2
    tail -n 20 "$folder"/*.log >&2
    return 1
}
alive() { pid=$(cat "$folder/$1.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]; }
ended() { ! alive "$1"; }
idle() { [[ "$(sinfo -h -p cpu -o %T)" =~ ^(idle|mixed|allocated)$ ]]; }

if [ "${2:-start}" = stop ]; then
    for daemon in slurmd slurmctld munged; do
        if alive $daemon; then
            kill "$(cat "$folder/$daemon.pid")"
            wait_for ended $daemon
        fi
    done
    exit 0
fi

mkdir -p "$folder"/{bin,controller,node}
for command in sacct sbatch scancel scontrol sinfo squeue srun; do
    # Not by the variable alone: within a job Snakemake removes it.
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$SLURM_CONF" "$(command -v $command)" >"$folder/bin/$command"
    chmod +x "$folder/bin/$command"
done
[ -s "$folder/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
cat >"$SLURM_CONF" <<CONF
ClusterName=imnn
SlurmctldHost=$node($address)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny,DisableIPv6
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/node
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# More CPUs than there may be: a job that waits, as most of the tests' jobs do, needs none.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
GresTypes=gpu
AccountingStorageType=accounting_storage/none
# Memory limits are kept by asking every two seconds, as on clusters without control groups.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
MinJobAge=3600
ReturnToService=2
MpiDefault=none
NodeName=$node NodeAddr=$address CPUs=8 RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes=$node Default=YES MaxTime=INFINITE DefaultTime=60 DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes=$node MaxTime=INFINITE DefaultTime=60 DefMemPerCPU=500 State=UP
CONF
echo "NodeName=$node Name=gpu File=/dev/null" >"$folder/gres.conf"

munge=("--key-file=$folder/munge.key" "--socket=$folder/munge.socket" "--pid-file=$folder/munged.pid"
    "--log-file=$folder/munged.log" "--seed-file=$folder/munge.seed")
alive munged || munged --force "${munge[@]}" </dev/null 2>/dev/null
wait_for munge --no-input --socket="$folder/munge.socket"
alive slurmctld || slurmctld </dev/null
wait_for sh -c 'scontrol ping | grep -q "is UP"'
alive slurmd || slurmd </dev/null
wait_for idle

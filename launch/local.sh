#!/usr/bin/env bash
# Trains on what this machine has: one process per GPU (1, 2, 4 or 8), or two on the CPU.
#   launch/local.sh --config configs/demo.yaml [section.key=value ...]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[[ ! -x $root/.venv/bin/python ]] || PATH=$root/.venv/bin:$PATH         # what `make setup` made
gpus=$(python -c 'import torch; print(torch.cuda.device_count())')
processes=1                                    # a power of two up to 8, so that it divides data.streams
while [[ $((processes * 2)) -le $gpus && $processes -lt 8 ]]; do processes=$((processes * 2)); done
common=(--num_machines 1 --mixed_precision no --dynamo_backend no)     # precision and compilation come from the YAML
script=$root/launch/train.py
if [[ $processes -gt 1 ]]; then
    exec accelerate launch --multi_gpu --num_processes "$processes" --main_process_port 0 "${common[@]}" "$script" "$@"
elif [[ $gpus -eq 1 ]]; then
    exec accelerate launch --num_processes 1 "${common[@]}" "$script" "$@"
fi
# On the CPU, --multi_gpu with ACCELERATE_USE_CPU is what starts several processes: --cpu alone starts one, silently.
export ACCELERATE_USE_CPU=true OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(( ($(getconf _NPROCESSORS_ONLN) + 1) / 2 ))}
exec accelerate launch --multi_gpu --num_processes 2 --main_process_port 0 "${common[@]}" "$script" "$@"

#!/usr/bin/env bash
# One study on SLURM: sbatch deploy/slurm.sh /shared/my_study
# The first task is the scheduler, the others are workers; all must see the study under the same path, since only keys
# travel between them. A worker that is lost costs nothing that was finished.
#SBATCH --job-name=rechallenge
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=4G
#SBATCH --time=04:00:00
set -euo pipefail

study=${1:?"say which study: sbatch slurm.sh /shared/my_study"}
folder=$(mktemp -d "${TMPDIR:-/tmp}/rechallenge.XXXXXX")
host=$(hostname -f)
port=${RECHALLENGE_PORT:-8786}

# one thread of linear algebra per worker: parallel work is over steps and their parts
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

dask scheduler --host "$host" --port "$port" --no-dashboard &
scheduler=$!
srun --ntasks=$((SLURM_NTASKS - 1)) --exact \
    dask worker "tcp://$host:$port" --nthreads 1 --nworkers 1 --memory-limit 4GB --local-directory "$folder" --no-dashboard &
workers=$!
trap 'kill "$workers" "$scheduler" 2>/dev/null || true; rm -rf "$folder"' EXIT

rechallenge run "$study" --dask "tcp://$host:$port"

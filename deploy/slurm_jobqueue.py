"""Any command of Rechallenge on SLURM, workers started as jobs by dask-jobqueue.

    python deploy/slurm_jobqueue.py --workers 16 run /shared/my_study
    python deploy/slurm_jobqueue.py --workers 64 library /shared/studies
    python deploy/slurm_jobqueue.py --workers 64 curves /shared/screen.parquet --out /shared/screen --bootstraps 1000
    python deploy/slurm_jobqueue.py --show            # print the job's script and start nothing

Needs `pip install 'rechallenge[dask]' dask-jobqueue`. Run it where jobs may be submitted and left running (a login node
or a small job of its own); the study must have the same path on all nodes. Jobs that SLURM ends are submitted again
until the command has ended. Settings: deploy/jobqueue.yaml, or --settings FILE.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import dask
import yaml


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--workers", type=int, default=8)
    p.add_argument("--settings", type=Path, default=Path(__file__).with_name("jobqueue.yaml"))
    p.add_argument("--show", action="store_true", help="print the script of a job and leave")
    p.add_argument("command", nargs=argparse.REMAINDER, help="a command of rechallenge, without --dask")
    o = p.parse_args()
    dask.config.update(dask.config.config, yaml.safe_load(o.settings.read_text("utf-8")))
    from dask_jobqueue import SLURMCluster

    with SLURMCluster() as cluster:
        if o.show:
            print(cluster.job_script())
            return 0
        if not o.command:
            p.error("say which command, for example: run /shared/my_study")
        cluster.adapt(minimum_jobs=o.workers, maximum_jobs=o.workers)  # a job that is lost is submitted again
        call = [sys.executable, "-m", "rechallenge.cli", *o.command, "--dask", cluster.scheduler_address]
        return subprocess.run(call, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

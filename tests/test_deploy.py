"""Files for clusters and packages: they parse, name what this project needs, and the script for SLURM runs a study."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import rechallenge
from rechallenge import simulate

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_recipe_needs_what_the_project_needs() -> None:
    text = (DEPLOY / "conda" / "meta.yaml").read_text("utf-8")
    assert f'version = "{rechallenge.__version__}"' in text
    plain = re.sub(r"{{.*?}}", "x", re.sub(r"{%.*?%}", "", text))
    recipe = yaml.safe_load(plain)
    named = {r.replace(" ", "") for r in recipe["requirements"]["run"]}
    assert named == {d.replace(" ", "") for d in PROJECT["dependencies"]} | {"python" + PROJECT["requires-python"]}


def test_the_cluster_of_kubernetes_shares_one_volume_under_one_path() -> None:
    claim, cluster, job = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    worker, run = cluster["spec"]["worker"]["spec"], job["spec"]["template"]["spec"]
    for pod in (worker, run):
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert worker["containers"][0]["volumeMounts"] == run["containers"][0]["volumeMounts"]
    ports = {p["name"]: p["containerPort"] for p in cluster["spec"]["scheduler"]["spec"]["containers"][0]["ports"]}
    service = cluster["spec"]["scheduler"]["service"]
    assert {p["targetPort"] for p in service["ports"]} == set(ports) and ports["tcp-comm"] == 8786
    assert service["selector"]["dask.org/cluster-name"] == cluster["metadata"]["name"]
    assert run["containers"][0]["args"][-1] == f"tcp://{cluster['metadata']['name']}-scheduler:8786"


@pytest.mark.parametrize("name", ["Dockerfile", "rechallenge.def"])
def test_what_the_images_copy_is_there(name: str) -> None:
    text = (DEPLOY / name).read_text("utf-8")
    copied = re.findall(r"^COPY (.+) \S+$", text, re.M) or re.findall(r"^    (\S+) /opt/rechallenge/", text, re.M)
    files = [f for line in copied for f in line.split()]
    assert {"requirements.lock", "src", "pyproject.toml"} <= set(files)
    assert all((ROOT / f).exists() for f in files)


def test_the_script_for_slurm_says_what_it_needs() -> None:
    done = subprocess.run(["bash", str(DEPLOY / "slurm.sh")], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "say which study" in done.stderr


@pytest.mark.slow
def test_the_script_for_slurm_runs_a_study(tmp_path: Path) -> None:
    """With a stand-in for `srun` that starts its command here: scheduler, worker and run are real."""
    if not shutil.which("dask", path=str(Path(sys.executable).parent)):
        pytest.skip("Dask's commands are not installed")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "srun").write_text('#!/usr/bin/env bash\nwhile [[ "$1" == --* ]]; do shift; done\nexec "$@"\n')
    (bin_ / "srun").chmod(0o755)
    study = simulate.write_study(tmp_path / "study", replicates=2)
    path = os.pathsep.join([str(bin_), str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = os.environ | {"PATH": path, "SLURM_NTASKS": "2", "RECHALLENGE_PORT": "18786", "TMPDIR": str(tmp_path)}
    script = (DEPLOY / "slurm.sh").read_text("utf-8").replace("$(hostname -f)", "127.0.0.1")
    done = subprocess.run(
        ["bash", "-c", script, "slurm.sh", str(study)], env=settings, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (study / "results" / "report.html").exists()
    assert not list(tmp_path.glob("rechallenge.*")), "the workers' folder is removed"


def test_the_settings_for_jobqueue_are_one_worker_a_job_that_leaves_before_it_is_ended() -> None:
    slurm = yaml.safe_load((DEPLOY / "jobqueue.yaml").read_text("utf-8"))["jobqueue"]["slurm"]
    assert (slurm["cores"], slurm["processes"]) == (1, 1)
    hours, minutes, _ = map(int, slurm["walltime"].split(":"))
    arguments = slurm["worker-extra-args"]
    lifetime = int(arguments[arguments.index("--lifetime") + 1].removesuffix("m"))
    assert lifetime + int(arguments[arguments.index("--lifetime-stagger") + 1].removesuffix("m")) < 60 * hours + minutes
    assert {line.split()[1].split("=")[0] for line in slurm["job-script-prologue"]} >= {"OMP_NUM_THREADS"}


@pytest.mark.slow
def test_jobqueue_writes_the_job_that_the_settings_ask_for() -> None:
    pytest.importorskip("dask_jobqueue")
    script = DEPLOY / "slurm_jobqueue.py"
    done = subprocess.run([sys.executable, str(script), "--show"], capture_output=True, text=True, check=True)
    assert "#SBATCH --cpus-per-task=1" in done.stdout and "#SBATCH -t 04:00:00" in done.stdout
    assert "export OMP_NUM_THREADS=1" in done.stdout and "--nthreads 1" in done.stdout


@pytest.mark.slow
def test_jobqueue_runs_a_screen(tmp_path: Path) -> None:
    """With stand-ins for `sbatch` and `scancel` that start and stop the job's script here."""
    pytest.importorskip("dask_jobqueue")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "sbatch").write_text(
        '#!/usr/bin/env bash\ncp "${@: -1}" "$JOBS/job.sh"\nsetsid bash "$JOBS/job.sh" >"$JOBS/log" 2>&1 &\n'
        'echo "Submitted batch job $!"\n'
    )
    (bin_ / "scancel").write_text('#!/usr/bin/env bash\nkill -- "-$1"\n')
    for program in bin_.iterdir():
        program.chmod(0o755)
    table = tmp_path / "screen.csv"
    doses = "".join(f"A,D,{d},{r},{1 / (1 + d * (1 + r / 9)):.3f}\n" for d in (0.1, 0.3, 1, 3, 9) for r in (1, 2, 3))
    table.write_text("model,drug,dose_um,replicate,viability\n" + doses)
    call = [str(DEPLOY / "slurm_jobqueue.py"), "--workers", "1", "curves", str(table), "--out", str(tmp_path / "out")]
    settings = os.environ | {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "JOBS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *call], env=settings, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "1 curves of 15 rows in 1 parts (1 computed" in done.stdout
    assert "#SBATCH -J rechallenge" in (tmp_path / "job.sh").read_text()

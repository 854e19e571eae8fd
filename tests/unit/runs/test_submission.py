from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cgan_dist.commands.cluster import run_folder, submit
from cgan_dist.config.document import Config, load_config
from cgan_dist.errors import UserError
from cgan_dist.runs.submission import (
    Request,
    crowding,
    crowding_here,
    evaluation_file,
    frozen_config,
    job_of,
    submit_evaluation,
    submit_training,
    training_file,
)

ROOT = Path(__file__).parents[3]
MakeConfig = Callable[..., Config]


@pytest.fixture(autouse=True)
def _no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("CGAN_DIST_", "PROCESSES_PER_NODE", "MAX_", "BACKOFF_")):
            monkeypatch.delenv(name)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Stands in for sbatch and scontrol: notes how it was called, prints what it is told to."""

    def make(sbatch: str = "17", scontrol: str = "", code: int = 0) -> Path:
        folder, called = tmp_path / "bin", tmp_path / "called"
        folder.mkdir(exist_ok=True)
        for name, said in (("sbatch", sbatch), ("scontrol", scontrol)):
            where = "" if code == 0 else " >&2"
            (folder / name).write_text(
                f'#!/bin/sh\necho {name} "$@" >>{called}\necho {shlex.quote(said)}{where}\nexit {code}\n'
            )
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return called

    return make


def options(text: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH --")]
    assert len({line.partition("=")[0] for line in lines}) == len(lines), "an option is there twice"
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_the_file_is_the_script_with_options_and_arguments_filled_in(make_config: MakeConfig) -> None:
    config = make_config("run.name=faces-2")
    text = training_file(config, Request(nodes=2, gpus_per_node="4", limit="10:00:00", partition="a100"))
    found = options(text)
    assert found["nodes"] == "2"
    assert found["gpus-per-node"] == "4"
    assert found["time"] == "10:00:00"
    assert found["partition"] == "a100"
    assert found["job-name"] == "faces-2"
    assert found["signal"] == "B:USR1@120"
    assert found["open-mode"] == "append"
    assert found["ntasks-per-node"] == "1"
    assert "requeue" in found
    assert found["chdir"] == str(Path.cwd())
    assert found["output"] == f"{config.run.folder / 'slurm'}/%x-%j.out"
    script = (ROOT / "slurm" / "train.sbatch").read_text()
    assert text.endswith(script[script.index("set -u") :])
    assert f"set -- {shlex.quote(str(frozen_config(config)))}\n" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_what_a_person_types_for_sbatch_wins(make_config: MakeConfig) -> None:
    request = Request(limit="1:00:00", extra=["--time=2:00:00", "--exclusive", "--mem=32G"])
    found = options(training_file(make_config(), request))
    assert (found["time"], found["mem"], found["exclusive"]) == ("2:00:00", "32G", "")


def test_site_settings_are_kept_as_they_were(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGAN_DIST_SETUP", 'module load cuda && echo "it\'s $USER"')
    monkeypatch.setenv("MAX_RESTARTS", "7")
    text = training_file(make_config(), Request(processes_per_cpu_node=3))
    head = text[: text.index("set -u")]
    shown = subprocess.run(
        ["bash", "-c", f'{head}\nprintf "%s|" "$CGAN_DIST_SETUP" "$MAX_RESTARTS" "$PROCESSES_PER_NODE"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == 'module load cuda && echo "it\'s $USER"|7|3|'


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"extra": ["mem=32G"]}, "--sbatch: found 'mem=32G'; expected an option of sbatch"),
        ({"extra": ["--mem=3\n#SBATCH --x"]}, "expected an option of sbatch"),
        ({"extra": ["--gres=gpu:a100:4"]}, r"--sbatch: --gres would change the number of processes; expected --nodes"),
        ({"extra": ["--nodes=4"]}, "--nodes would change the number of processes"),
        ({"gpus_per_node": "2", "processes_per_cpu_node": 2}, "--processes-per-node is for CPUs"),
        ({"gpus_per_node": "0"}, "--gpus-per-node: found '0'; expected a number, or as in a100:4"),
        ({"gpus_per_node": "a100"}, "--gpus-per-node: found 'a100'"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(asked: dict[str, object], text: str) -> None:
    with pytest.raises(UserError, match=text):
        Request(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "processes"),
    [
        ({}, 1),
        ({"nodes": 3}, 3),
        ({"nodes": 2, "gpus_per_node": "4"}, 8),
        ({"nodes": 2, "gpus_per_node": "a100:4"}, 8),
        ({"nodes": 2, "processes_per_cpu_node": 2}, 4),
    ],
)
def test_the_world_size_follows_from_the_request(asked: dict[str, int], processes: int) -> None:
    assert Request(**asked).processes == processes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("processes", "workers", "cpus", "wanted"),
    [(8, 2, 4, 24), (8, 2, 23, 24), (8, 2, 24, None), (1, 2, 4, None), (4, 0, 4, None), (4, 0, 3, 4)],
)
def test_too_few_cpus_for_processes_and_their_workers_are_told(
    make_config: MakeConfig, processes: int, workers: int, cpus: int, wanted: int | None
) -> None:
    said = crowding(make_config(f"data.workers={workers}"), processes, cpus)
    if wanted is None:
        assert said is None
        return
    assert said is not None
    assert said.startswith(f"data.workers: found {processes} process(es) on a node")
    assert f"{cpus} CPU(s) between them; expected {wanted}" in said
    assert f"--cpus-per-node {wanted}" in said
    assert ("loader worker(s)" in said) is bool(workers)


@pytest.mark.parametrize(
    ("options", "warns"),
    [
        (["--gpus-per-node", "a100:8"], True),
        (["--gpus-per-node", "8", "--cpus-per-node", "24"], False),
        (["--gpus-per-node", "8", "--sbatch=--cpus-per-task=24"], False),
        (["--processes-per-node", "1"], False),
    ],
)
def test_submit_warns_of_too_few_cpus_beside_the_file(config_file: Path, options: list[str], warns: bool) -> None:
    more = ["data.workers=2", "data.streams=8", "--dry-run"]
    done = CliRunner().invoke(submit, ["--config", str(config_file), *options, *more])
    assert done.exit_code == 0, done.output
    assert ("Warning: data.workers: found 8 process(es)" in done.stderr) is warns
    assert done.stdout.startswith("#!/bin/bash")
    assert "Warning" not in done.stdout


@pytest.mark.parametrize(("rank", "cpus", "warns"), [("0", "4", True), ("1", "4", False), ("0", "24", False)])
def test_a_job_warns_once_of_too_few_cpus(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, rank: str, cpus: str, warns: bool
) -> None:
    for name, value in (("RANK", rank), ("PROCESSES_PER_NODE", "8"), ("SRUN_CPUS_PER_TASK", cpus)):
        monkeypatch.setenv(name, value)
    arguments = ["--config", str(config_file), "--processes", "8", "data.workers=2", "data.streams=8"]
    done = CliRunner().invoke(run_folder, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("runs/test\n")
    assert ("Warning: data.workers" in done.stderr) is warns


def test_outside_of_a_job_nothing_is_known_of_cpus(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SRUN_CPUS_PER_TASK", raising=False)
    monkeypatch.setenv("PROCESSES_PER_NODE", "8")
    assert crowding_here(make_config("data.workers=2")) is None


def test_the_batch_file_tells_the_check_what_it_must_know() -> None:
    script = (ROOT / "slurm" / "train.sbatch").read_text()
    exports = "\n".join(line for line in script.splitlines() if line.startswith("export "))
    assert {"PROCESSES_PER_NODE", "SRUN_CPUS_PER_TASK"} <= set(re.findall(r"[A-Z_]+", exports))
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_submitting_freezes_config_and_file(make_config: MakeConfig, slurm: Callable[..., Path]) -> None:
    called, config = slurm(), make_config()
    text = training_file(config, Request())
    assert submit_training(config, text) == "17"
    book = config.run.folder / "slurm"
    assert called.read_text() == f"sbatch --parsable {book}/train.sbatch\n"
    assert (book / "train.sbatch").read_text() == text
    assert stat.S_IMODE((book / "train.sbatch").stat().st_mode) == 0o600  # site settings may be private
    assert load_config(book / "config.yaml", []) == config
    scoring = evaluation_file(config, Request(), ["label_accuracy", "fid"])
    assert f"set -- {config.run.folder} --metrics label_accuracy,fid\n" in scoring
    assert submit_evaluation(config.run.folder, scoring, "17") == "17"
    waits = "--dependency=afterok:17 --kill-on-invalid-dep=yes"
    assert called.read_text().endswith(f"sbatch --parsable {waits} {book}/evaluate.sbatch\n")
    assert stat.S_IMODE((book / "evaluate.sbatch").stat().st_mode) == 0o600


@pytest.mark.parametrize("typed", ["loss.adversarial=tests.poison:Poisoned", "data.path=http://127.0.0.1/data"])
def test_an_evaluation_trusts_what_the_submitted_config_names(typed: str, make_config: MakeConfig) -> None:
    assert "--trust-code" in evaluation_file(make_config(typed), Request(), ["fid"])
    assert "--trust-code" not in evaluation_file(make_config(), Request(), ["fid"])


def test_the_evaluation_runs_where_the_training_does_but_for_its_own_time(make_config: MakeConfig) -> None:
    request = Request(partition="a100", extra=["--time=9:00:00", "--dependency=afterok:3", "--qos=high", "--mem=32G"])
    found = options(evaluation_file(make_config(), request, ["fid"]))
    assert (found["partition"], found["qos"], found["mem"]) == ("a100", "high", "32G")
    assert found["time"] == "01:00:00"
    assert "dependency" not in found


def test_the_number_of_processes_is_the_one_that_was_checked(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESSES_PER_NODE", "7")
    assert "\nPROCESSES_PER_NODE=4\n" in training_file(make_config(), Request(gpus_per_node="a100:4"))


def test_what_sbatch_would_take_from_the_environment_is_written_down_and_what_is_typed_wins(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, slurm: Callable[..., Path], tmp_path: Path
) -> None:
    monkeypatch.setenv("SBATCH_ACCOUNT", "physics")
    monkeypatch.setenv("SBATCH_PARTITION", "short")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "5")
    config = make_config()
    text = training_file(config, Request(partition="long", limit="8:00:00"))
    found = options(text)
    assert (found["account"], found["partition"], found["time"]) == ("physics", "long", "8:00:00")
    slurm()
    (tmp_path / "bin" / "sbatch").write_text(f"#!/bin/sh\nenv >{tmp_path}/seen\necho 17\n")
    submit_training(config, text)
    assert "SBATCH_" not in (tmp_path / "seen").read_text()


def test_values_that_sbatch_would_cut_are_quoted(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(f"run.dir={tmp_path}/my runs, 100%")
    found = options(training_file(config, Request(extra=['--comment=the "last" try #3'])))
    assert found["output"] == f'"{tmp_path}/my runs, 100%%/{config.run.name}/slurm/%x-%j.out"'
    assert found["comment"] == r'"the \"last\" try #3"'


JOB = "JobId=17 JobName=x JobState={} Reason=None Restarts=1 RunTime=00:01:00 TimeLimit=02:00:00 NodeList=n[1-2]"


def test_a_run_has_one_job_at_a_time(make_config: MakeConfig, slurm: Callable[..., Path]) -> None:
    config = make_config()
    slurm(scontrol=JOB.format("PENDING"))
    assert job_of(config.run.folder) is None
    submit_training(config, training_file(config, Request()))
    with pytest.raises(UserError, match=r"has a job already, 17: PENDING on n\[1-2\].*scancel 17"):
        submit_training(config, training_file(config, Request()))
    slurm(scontrol=JOB.format("COMPLETED"), sbatch="18")
    assert submit_training(config, training_file(config, Request())) == "18"


def test_slurm_refusing_is_told_in_its_words(make_config: MakeConfig, slurm: Callable[..., Path]) -> None:
    slurm(sbatch="sbatch: error: invalid partition specified: a100", code=1)
    with pytest.raises(UserError, match="Slurm refuses: sbatch: error: invalid partition specified: a100"):
        submit_training(make_config(), "#!/bin/bash\n")


def test_no_slurm_is_told(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"sbatch: not found, so this machine is no login node.*--dry-run"):
        submit_training(make_config(), "#!/bin/bash\n")


@pytest.mark.parametrize("asked", [{"partition": "gpu\nrm -rf ~"}, {"account": "a\rb"}, {"extra": ["--mem=1G\x1b"]}])
def test_a_line_end_makes_no_line_of_a_batch_file(make_config: MakeConfig, asked: dict[str, object]) -> None:
    with pytest.raises(UserError, match="control character|expected an option of sbatch"):
        training_file(make_config(), Request(**asked))  # type: ignore[arg-type]


def test_the_environment_and_the_working_folder_make_none_either(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = make_config()
    monkeypatch.setenv("SBATCH_QOS", "high\nrm -rf ~")
    with pytest.raises(UserError, match="--qos: found a line end"):
        training_file(config, Request())
    monkeypatch.delenv("SBATCH_QOS")
    (tmp_path / "a\nrm").mkdir()
    monkeypatch.chdir(tmp_path / "a\nrm")
    with pytest.raises(UserError, match="--chdir: found a line end"):
        training_file(config, Request())


@pytest.mark.parametrize("line", ["export WANDB_API_KEY=abc", "module load x; HF_TOKEN='abc' true", "db_password=abc"])
def test_a_key_in_the_set_up_line_is_refused(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("CGAN_DIST_SETUP", line)
    with pytest.raises(UserError, match="CGAN_DIST_SETUP: sets .*batch file") as error:
        training_file(make_config(), Request())
    assert "abc" not in str(error.value)


def test_a_set_up_line_that_names_a_file_of_keys_is_kept(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "export WANDB_API_KEY=$(cat ~/.key); . ~/.keys; export KEYBOARD=de"
    monkeypatch.setenv("CGAN_DIST_SETUP", line)
    assert line in training_file(make_config(), Request())

"""Training jobs on a real cluster: what ends them, what starts them again, and that the numbers do not notice."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cgan_dist.checkpoints.store import find_checkpoint
from cgan_dist.runs.claim import Claim
from tests.integration.test_kill import images_logged, states
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import TOTAL, Run

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2000)]

MakeRun = Callable[..., Run]
SOME = 480
"""Images by which training is on its way."""


@pytest.fixture(scope="session")
def finished(undisturbed: Run) -> Run:
    number = (undisturbed.folder / "slurm" / "job").read_text().strip()
    job = undisturbed.cluster.wait_for_end(number)
    assert job["JobState"] == "COMPLETED", (undisturbed.folder / "slurm").glob("*.out")
    return undisturbed


def assert_same_numbers(run: Run, undisturbed: Run) -> None:
    """Final networks, their averages, optimizers and all else, bit for bit; each line of the metrics once."""
    ours, theirs = (states(find_checkpoint(one.folder)) for one in (run, undisturbed))
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    assert images_logged(run.folder) == images_logged(undisturbed.folder) == list(range(160, TOTAL + 1, 160))


def end_soon(cluster: Cluster, number: str) -> None:
    """Brings a job's time limit near, so that Slurm warns it: at one of its looks, which are 30 s apart."""
    end = time.strftime("%FT%T", time.localtime(time.time() + 65))
    cluster.run("scontrol", "update", f"JobId={number}", f"EndTime={end}")


def preempt(cluster: Cluster) -> str:
    """Submits a job that takes both nodes from those of the partition `low`; returns its id."""
    options = ("--parsable", "--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    return cluster.run("sbatch", *options).strip()


def wandb_sessions(run: Run) -> set[str]:
    return {path.name.rsplit("-", 1)[1] for path in (run.folder / "wandb").glob("offline-run-*")}


def test_submit_trains_on_two_nodes_and_evaluates_afterwards(finished: Run) -> None:
    cluster, folder = finished.cluster, finished.folder
    said = (finished.config.parent / "said.txt").read_text()
    jobs = re.findall(r"Submitted job (\d+)", said)
    assert cluster.job(jobs[0])["NumNodes"] == "2"
    assert (
        json.loads((folder / "checkpoints" / find_checkpoint(folder).folder.name / "state.json").read_text())[
            "world_size"
        ]
        == 4
    )
    assert cluster.wait_for_end(jobs[1])["JobState"] == "COMPLETED"
    assert "label_accuracy" in (folder / "evaluation.json").read_text()
    assert len(finished.attempts) == 1
    assert "finished" in finished.attempts[0]
    status = cluster.run("cgan-dist", "status", str(folder))
    assert f"{jobs[0]}: COMPLETED" in status
    assert f"{TOTAL:,} of {TOTAL:,} images" in status


def test_a_time_limit_is_only_a_pause(finished: Run, make_run: MakeRun) -> None:
    run = make_run(finished.cluster)
    number = run.submit("--signal=B:USR1@60")
    run.wait_for_images(SOME)
    with run.cluster.held_until_told(run.cluster.ranks()):
        end_soon(run.cluster, number)
    run.cluster.run("scontrol", "update", f"JobId={number}", "TimeLimit=30")  # or the next attempt's would be as short
    job = run.cluster.wait_for_end(number, run.log)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1"), run.log.read_text()
    assert "stopped with a checkpoint; starts again" in run.attempts[0]
    assert "received SIGUSR1" in run.log.read_text()
    assert_same_numbers(run, finished)
    assert len(wandb_sessions(run)) == 1


@pytest.mark.parametrize("how", ["cluster", "plain_cluster"])
def test_a_preempted_job_goes_on(how: str, finished: Run, make_run: MakeRun, request: pytest.FixtureRequest) -> None:
    cluster: Cluster = request.getfixturevalue(how)
    run = make_run(cluster)
    number = run.submit("--partition=low")
    run.wait_for_images(SOME)
    with cluster.held_until_told(cluster.ranks()):
        urgent = preempt(cluster)
    job = cluster.wait_for_end(number, run.log)
    assert cluster.state(urgent) == "COMPLETED"
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1"), run.log.read_text()
    assert_same_numbers(run, finished)


def test_a_cancelled_job_leaves_a_checkpoint_and_stays_cancelled(cluster: Cluster, make_run: MakeRun) -> None:
    run = make_run(cluster, total=1_000_000)
    number = run.submit()
    run.wait_for_images(SOME)
    cluster.run("scancel", number)
    job = cluster.wait_for_end(number, run.log)
    assert job["JobState"] == "CANCELLED"
    assert find_checkpoint(run.folder).images_seen >= run.images
    time.sleep(8)  # a requeued job would be back after five seconds
    assert (cluster.state(number), cluster.job(number)["Restarts"]) == ("CANCELLED", "0")


def test_a_warning_before_the_training_is_only_a_pause(finished: Run, make_run: MakeRun) -> None:
    run = make_run(finished.cluster)
    number = run.submit()
    run.cluster.wait("the check", lambda: bool(run.cluster.checks()))
    with run.cluster.held_until_told(run.cluster.checks()):
        run.cluster.warn(number)
    job = run.cluster.wait_for_end(number, run.log)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1"), run.log.read_text()
    assert "ended before it trained; starts again" in run.log.read_text()
    assert_same_numbers(run, finished)


def test_a_preemption_before_the_training_is_no_failure(plain_cluster: Cluster, make_run: MakeRun) -> None:
    """In a job's grace time Slurm warns its processes, but not its script."""
    run = make_run(plain_cluster, total=160)
    number = run.submit("--partition=low", MAX_STALLS="0")
    plain_cluster.wait("the check", lambda: bool(plain_cluster.checks()))
    with plain_cluster.held_until_told(plain_cluster.checks()):
        preempt(plain_cluster)
    job = plain_cluster.wait_for_end(number, run.log)
    assert job["JobState"] == "COMPLETED", run.log.read_text()
    assert "ended before it trained; starts again" in run.log.read_text()


def test_a_run_that_may_not_start_again_is_not_finished(cluster: Cluster, make_run: MakeRun) -> None:
    run = make_run(cluster, total=1_000_000)
    number = run.submit("--nodes=1", PROCESSES_PER_NODE="1", MAX_RESTARTS="0")
    run.wait_for_images(SOME)
    cluster.warn(number)
    job = cluster.wait_for_end(number, run.log)
    assert (job["JobState"], job["Restarts"]) == ("FAILED", "0"), run.log.read_text()  # afterok would start on it
    assert "stopped with a checkpoint; 0 restarts used up" in run.attempts[-1]


def test_a_person_may_stop_a_run_for_good(cluster: Cluster, make_run: MakeRun) -> None:
    run = make_run(cluster, total=1_000_000)
    number = run.submit()
    run.wait_for_images(SOME)
    cluster.run("scancel", "--signal=INT", number)
    job = cluster.wait_for_end(number, run.log)
    assert (job["JobState"], job["Restarts"]) == ("FAILED", "0"), run.log.read_text()
    assert "stopped by a person" in run.attempts[-1]
    assert find_checkpoint(run.folder).images_seen >= run.images


def test_what_may_pass_is_tried_again(finished: Run, make_run: MakeRun, tmp_path: Path, shards_folder: Path) -> None:
    """A node that failed keeps its lock, and storage may be away."""
    run = make_run(finished.cluster)
    data, away = tmp_path / "data", tmp_path / "away"
    shutil.copytree(shards_folder, data)
    lock = Claim(run.folder)
    number = run.submit(overrides=(f"data.path={data}",))
    run.cluster.wait("it is refused", lambda: (run.folder / "slurm" / "attempts.log").exists(), log=run.log)
    lock.close()
    data.rename(away)
    assert "failed with exit code" in run.attempts[0]
    run.cluster.wait("there are no shards", lambda: "before it trained; starts" in run.log.read_text(), log=run.log)
    away.rename(data)
    job = run.cluster.wait_for_end(number, run.log)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "2"), run.log.read_text()
    assert_same_numbers(run, finished)


def test_a_killed_rank_costs_a_restart(finished: Run, make_run: MakeRun) -> None:
    run = make_run(finished.cluster)
    number = run.submit()
    run.wait_for_images(3 * SOME)
    finished.cluster.ranks()[-1].send_signal(signal.SIGKILL)
    job = run.cluster.wait_for_end(number, run.log)
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1"), run.log.read_text()
    assert "failed with exit code" in run.attempts[0]
    assert_same_numbers(run, finished)


def test_a_node_that_crashes_costs_a_restart(finished: Run, make_run: MakeRun) -> None:
    cluster, run = finished.cluster, make_run(finished.cluster)
    number = run.submit()
    run.wait_for_images(3 * SOME)
    cluster.crash(2)
    cluster.wait("node 2 is down", lambda: "DOWN" in cluster.node_state(2))
    cluster.boot(2)
    job = cluster.wait_for_end(number, run.log)
    assert job["JobState"] == "COMPLETED", run.log.read_text()
    assert int(job["Restarts"]) >= 1  # Slurm 22.05 may deliver the dead node's SIGTERM to new attempts too
    assert_same_numbers(run, finished)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("train.batch_size=10",), "train.batch_size (10) must be a multiple of data.streams"),
        (("data.path=/nowhere",), "/nowhere"),
        (("data.streams=2",), "data.streams"),  # two streams for four processes
    ],
)
def test_bad_input_fails_once(overrides: tuple[str, ...], text: str, cluster: Cluster, make_run: MakeRun) -> None:
    run = make_run(cluster)
    job = cluster.wait_for_end(run.submit(overrides=overrides), run.log)
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "2:0", "0")
    assert text in run.log.read_text()
    assert not run.folder.exists()


def test_what_a_person_must_mend_fails_once_although_it_was_found_while_training(
    cluster: Cluster, make_run: MakeRun
) -> None:
    run = make_run(cluster)
    poisoned = ("loss.adversarial=tests.poison:Poisoned", "guard={skips_in_a_row: 4, max_rollbacks: 0}")
    job = cluster.wait_for_end(run.submit(overrides=poisoned, POISON="150-1000000"), run.log)
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "2:0", "0")
    assert "a person is needed: Training diverged" in run.attempts[-1]


def test_a_defect_is_tried_again_so_often_and_no_more(cluster: Cluster, make_run: MakeRun) -> None:
    run = make_run(cluster)
    crash = ("loss.adversarial=tests.poison:Crashing",)
    job = cluster.wait_for_end(run.submit(overrides=crash, POISON="20-1000000", MAX_STALLS="1"), run.log)
    assert (job["JobState"], job["Restarts"]) == ("FAILED", "1"), run.log.read_text()
    assert "starts again" in run.attempts[0]
    assert "2 attempts in a row without a new checkpoint" in run.attempts[-1]
    assert "a defect" in run.log.read_text()


def test_a_sweep_has_a_run_for_each_task_and_starts_only_the_stopped_one_again(
    cluster: Cluster, make_run: MakeRun
) -> None:
    run = make_run(cluster)
    array = cluster.run(
        "sbatch",
        "--parsable",
        "--array=0-1",
        "--cpus-per-task=2",
        "--time=30",
        f"--output={run.log.with_suffix('')}-%a.out",
        "slurm/sweep.sbatch",
        str(run.config),
        PROCESSES_PER_NODE="2",
    ).strip()
    folders = [run.folder.with_name(f"run-seed-{task}") for task in (0, 1)]
    cluster.wait("task 1 trains", lambda: bool(images_logged(folders[1])))
    cluster.warn(f"{array}_1")  # the last task's own id is the array's: a requeue by that would be of all tasks
    jobs = [cluster.wait_for_end(f"{array}_{task}") for task in (0, 1)]
    assert [(job["JobState"], job["Restarts"]) for job in jobs] == [("COMPLETED", "0"), ("COMPLETED", "1")]
    configs = [find_checkpoint(folder).state["config"] for folder in folders]
    assert [config["run"]["seed"] for config in configs] == [0, 1]
    assert all(find_checkpoint(folder).images_seen == TOTAL for folder in folders)


def test_a_sweep_takes_a_line_of_overrides_for_each_task(cluster: Cluster, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(cluster, total=160)
    sweep = tmp_path / "widths.txt"
    sweep.write_text("generator.args.width=8\ndiscriminator.args.width=8 optim.lr=1e-4\n")
    options = ("--array=2-3", "--cpus-per-task=1", f"--output={tmp_path}/sweep-%a.out")
    array = cluster.run(
        "sbatch", "--parsable", *options, "slurm/sweep.sbatch", str(run.config), SWEEP=str(sweep)
    ).strip()
    jobs = [cluster.wait_for_end(f"{array}_{task}") for task in (2, 3)]
    assert [job["JobState"] for job in jobs] == ["COMPLETED", "FAILED"]
    assert find_checkpoint(run.folder.with_name("run-2")).state["config"]["optim"]["lr"] == 1e-4
    assert "no overrides in line 3" in (tmp_path / "sweep-3.out").read_text()

"""The run folder and the Slurm jobs that fill it; nothing is plugged in.

`folder` is its config and log, `claim` sees that one process trains in it, and in it alone, `resume` says what is there
and where the next start begins, `status` how a job is getting on, `submission` writes batch files from the templates in
`slurm/` (`batch_files` is a link to it), `slurm` speaks with sbatch and squeue.
"""

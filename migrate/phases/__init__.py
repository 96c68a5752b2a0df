"""What each command of `migrate` does: the steps of its phase, and nothing else."""

"""Compute hosts come over to the new release: what there is of them, and the plan for each."""

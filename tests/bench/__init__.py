"""Benchmarks: each prints what `migrate` takes beside what an operator would use instead."""

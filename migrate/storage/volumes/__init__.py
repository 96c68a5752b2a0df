"""Volumes that both sides see: calls that would destroy them are refused."""

"""The load's own process: pings, probes and calls, in one event loop."""

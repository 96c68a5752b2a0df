"""Plan, runner, journal, markers, locks and findings: knows no OpenStack."""

"""`python -m migrate.cli`: the command line where the package is not installed."""

from migrate.cli.commands import main

main()

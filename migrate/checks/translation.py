"""What the configuration and the images say before anything is carried over."""

from migrate.cloud import Context
from migrate.configuration import carry
from migrate.engine.finding import Finding
from migrate.storage import images


def run(context: Context) -> list[Finding]:
    """Options, settings, policies and images that do not simply go over."""
    return [*carry.findings(context), *images.findings(context)]

"""The Pulumi program: read the stack's decisions, declare the controllers, export the contract."""

import pulumi

from infra import outputs
from infra.controllers import Controllers
from migrate.cloud.installation import environment
from migrate.cloud.settings import load

settings = load(pulumi.get_stack())
controllers = Controllers("target", settings)

pulumi.export(outputs.PROVIDER, settings.provider)
pulumi.export(outputs.RELEASE, settings.target.release)
pulumi.export(outputs.ENVIRONMENT, environment(settings.target.release).folder)
pulumi.export(outputs.TARGET_CONTROLLERS, controllers.ready)
pulumi.export(outputs.VIRTUAL_IPS, [str(ip.address) for ip in settings.source.virtual_ips])

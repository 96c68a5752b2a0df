"""The Pulumi program: read the stack's decisions, declare the controllers, export the contract.

The outputs are for people and other programs; `migrate` asks the machines instead.
"""

import pulumi

from infra.controllers import Controllers
from migrate.cloud.installation import environment
from migrate.cloud.settings import load
from migrate.errors import SettingsError

try:
    settings = load(pulumi.get_stack())
except SettingsError as error:
    raise pulumi.RunError(str(error)) from error  # Pulumi shows the line alone
controllers = Controllers("target", settings)

pulumi.export("provider", settings.provider)
pulumi.export("release", settings.target.release)
pulumi.export("environment", environment(settings.target.release).folder)
pulumi.export("targetControllers", controllers.ready)  # name, address and machine-id of each
pulumi.export("virtualIps", [str(ip.address) for ip in settings.source.virtual_ips])

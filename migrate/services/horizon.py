"""The dashboard: no database; its sessions live in the cache and are not carried."""

from migrate.services.base import ApiPort, Config, Recipe

RECIPE = Recipe(
    project="horizon",
    user="horizon",
    source_control_units=("apache2",),
    succeeded_units=("apache2",),
    target_units=("horizon",),
    configs=(Config(path="/etc/openstack-dashboard/local_settings.py", kind="django"),),
    apis=(ApiPort(name="horizon", port=80, path="/horizon/auth/login/", own_port=8082),),
)

"""The dashboard: no database; its sessions live in the cache and are not carried."""

from migrate.services.base import ApiPort, Config, Recipe
from migrate.services.unit import Unit

RECIPE = Recipe(
    project="horizon",
    user="horizon",
    source_control_units=("apache2",),
    succeeded_units=("apache2",),
    units=(
        # 8082 behind HAProxy: uwsgi has given up root before it could bind 80
        Unit(
            name="horizon",
            port=8082,
            uwsgi=(
                "env = DJANGO_SETTINGS_MODULE=openstack_dashboard.settings",
                "mount = {webroot}=openstack_dashboard.wsgi:application",
                "manage-script-name = true",
                "static-map = {webroot}/static=/var/lib/horizon/static",
            ),
        ),
    ),
    configs=(Config(path="/etc/openstack-dashboard/local_settings.py", kind="django"),),
    apis=(ApiPort(name="horizon", port=80, path="/horizon/auth/login/", own_port=8082),),
)

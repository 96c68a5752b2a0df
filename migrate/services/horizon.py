"""The dashboard: no database; its sessions live in the cache and are not carried."""

from migrate.services.base import ApiPort, Config, Recipe
from migrate.services.reads import Reads
from migrate.services.unit import Unit

RECIPE = Recipe(
    project="horizon",
    versions={
        "2022.2": "22.2-23.0",
        "2023.1": "23.1-23.1",
        "2023.2": "23.2-23.3",
        "2024.1": "23.4-24.0",
        "2024.2": "25.0-25.1",
        "2025.1": "25.2-25.3",
        "2025.2": "25.4-25.5",
        "2026.1": "25.6-25.7",
        "2026.2": "26.0-27.0",
    },
    user="horizon",
    source_control_units=("apache2",),
    reads=Reads(units=("apache2",)),
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
            no_shadow="its pages want a login, which is no reading; they are asked after the move",
        ),
    ),
    configs=(Config(path="/etc/openstack-dashboard/local_settings.py", kind="django"),),
    apis=(ApiPort(name="horizon", port=80, path="/horizon/auth/login/", own_port=8082),),
)

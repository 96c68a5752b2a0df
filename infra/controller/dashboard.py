"""Horizon's static files, collected and compressed before the window: it takes most of a minute."""

from __future__ import annotations

from infra.controller import record, services
from infra.controller.part import Facts, Place
from infra.controller.venv import digest
from migrate.cloud.host import Host
from migrate.onhost import call

STATIC = "/var/lib/horizon/static"
STAMP = "/var/lib/horizon/static.made"
SETTINGS = "/etc/horizon/local_settings.py"

# What the compressed files depend on. `migrate` writes the real settings over it, and keeps these.
BUILD_SETTINGS = "local_settings.py.j2"

BUILD = """
venv=$1 stamp=$2 static=$3 made=$4 settings=$5
local=$(echo "$venv"/lib/python3*/site-packages/openstack_dashboard/local)
ln -sfn "$settings" "$local/local_settings.py"
[ -e "$settings" ] || cat >"$settings" <<'SETTINGS'
@SETTINGS@
SETTINGS
chown root:horizon "$settings"; chmod 0640 "$settings"
rm -f "$made"
install -d -o horizon -g horizon -m 0755 "$static"
cd /var/lib/horizon
export DJANGO_SETTINGS_MODULE=openstack_dashboard.settings
run() {
  runuser -u horizon -- env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/django-admin" "$@" </dev/null >&2
}
run collectstatic --noinput -v 0
run compress --force -v 0
printf '%s\\n' "$stamp" >"$made"
"""


class Dashboard:
    """Facts: `{"static": "<digest of the release's lock>:<webroot>"}`."""

    def wanted(self, place: Place) -> Facts:
        return {"static": f"{digest(place.release)}:{place.webroot}"}

    def read(self, host: Host, place: Place) -> Facts:
        manifest = f"{STATIC}/dashboard/manifest.json"
        asked = (place.installation.folder, STAMP, SETTINGS, manifest)
        return {"static": call(host, "release.static", *asked)}

    def apply(self, host: Host, place: Place) -> None:
        stamp = self.wanted(place)["static"]
        if self.read(host, place)["static"] == stamp:
            return
        settings = (
            services.template(BUILD_SETTINGS).render(webroot=place.webroot, static=STATIC).rstrip()
        )
        script = BUILD.replace("@SETTINGS@", settings)
        record.remember(host, "dashboard", {"folder": STATIC})
        host.shell(script, place.installation.folder, stamp, STATIC, STAMP, SETTINGS, timeout=600)

    def remove(self, host: Host, place: Place) -> None:
        if record.recall(host, "dashboard"):
            host.shell('rm -rf -- "$1"; rm -f -- "$2" "$3"', STATIC, STAMP, SETTINGS)
            record.forget(host, "dashboard")

"""Horizon's settings as a real Django tells them: what a site's files come to, and what is refused.

The release on the rig's target stands for both sides: it reads a site's files, and is asked what it
makes of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from migrate.cloud import Context
from migrate.cloud.addresses import Mapping
from migrate.cloud.host import Host
from migrate.configuration import dashboard
from migrate.configuration.files import File
from migrate.engine.finding import Finding
from migrate.errors import PreconditionError

pytestmark = [pytest.mark.rig, pytest.mark.in_set("steps")]

LOCAL = "lib/python3*/site-packages/openstack_dashboard/local"
MAIN = """
import os
from django.utils.translation import gettext_lazy as _
from openstack_dashboard.settings import HORIZON_CONFIG
SECRET_KEY = "s3cret"
LOCAL_PATH = os.path.dirname(os.path.abspath(__file__))
OPENSTACK_HOST = "10.0.0.10"
OPENSTACK_KEYSTONE_URL = "http://%s:5000/v3" % OPENSTACK_HOST
"""


@pytest.fixture
def target(context: Context) -> Iterator[Host]:
    """The release's own local settings come back."""
    host = context.target.controllers[0]
    host.shell(
        'cd "$1"/$2; cp -a . ../local.kept; rm -f local_settings.py',
        context.installation.folder,
        LOCAL,
    )
    yield host
    host.shell(
        'cd "$1"/$2/..; rm -rf local; mv local.kept local', context.installation.folder, LOCAL
    )


def told(context: Context, host: Host, more: str) -> dashboard.DjangoSettings:
    """What Django says where a site has *more* in a file of its own beside the package's."""
    folder = host.shell(
        'cd "$1"/$2; mkdir -p local_settings.d; pwd', context.installation.folder, LOCAL
    ).strip()
    host.write(f"{folder}/local_settings.py", MAIN)
    host.write(f"{folder}/local_settings.d/_50_site.py", more)
    return dashboard.read(host, context.installation.python)


def carried(context: Context, host: Host, more: str) -> tuple[File, list[Finding]]:
    """The target's file, and all that is told of it on both sides."""
    found = told(context, host, more)
    names = dashboard.known(host, context.installation)
    file, findings = dashboard.translate(found, "ctl", Mapping({"10.0.0.10": "10.0.0.20"}), names)
    return file, findings + dashboard.judged(host, context.installation, found, file, "ctl")


# in the spirit of openstack-k8s-operators' horizon-operator (HORIZON_CONFIG by key, a function that
# asks for this host's address, a TLS context, CONFIG_HASH), openstack-ansible-os_horizon and
# charm-openstack-dashboard (conditions), kolla-ansible's _9998-kolla-settings.py (an own file)
CARRIED = {
    "HORIZON_CONFIG['help_url'] = 'https://help.example.org'": (
        "HORIZON_CONFIG['help_url'] = 'https://help.example.org'"
    ),
    "HORIZON_CONFIG['password_validator'] = {'regex': '^.{8,}$', 'help_text': _('8')}": (
        "HORIZON_CONFIG['password_validator'] = {'regex': '^.{8,}$', 'help_text': '8'}"
    ),
    "if not DEBUG:\n    SESSION_TIMEOUT = 2 * 3600": "SESSION_TIMEOUT = 7200",
    "OPENSTACK_NEUTRON_NETWORK.update(enable_router=False)": "'enable_router': False",
    "WEBROOT = '/horizon'": "WEBROOT = '/horizon/'",
    "def own():\n    return '10.0.0.10'\nALLOWED_HOSTS = [own(), 'cloud.example.org']": (
        "ALLOWED_HOSTS = ['10.0.0.20', 'cloud.example.org']"
    ),
    "CACHES['default']['LOCATION'] = '10.0.0.10:11211'": "'LOCATION': '10.0.0.20:11211'",
    "AVAILABLE_REGIONS = [(OPENSTACK_KEYSTONE_URL, 'one')]": "('http://10.0.0.20:5000/v3', 'one')",
}


def test_what_a_site_sets_is_carried(context: Context, target: Host) -> None:
    file, findings = carried(context, target, "\n".join(CARRIED))
    assert [one for one in CARRIED.values() if one not in file.text] == []
    assert "OPENSTACK_KEYSTONE_URL = 'http://10.0.0.20:5000/v3'\n" in file.text
    assert "SECRET_KEY = 's3cret'\n" in file.text
    told = [(one.severity.value, one.message.partition(" ")[0]) for one in findings]
    assert told == [("info", "LOCAL_PATH")]


def test_a_module_of_the_site_is_carried(context: Context, target: Host) -> None:
    """`from ... import *` in local_settings.py, as sites with several clouds have it."""
    told(context, target, "")
    folder = target.shell('cd "$1"/$2; pwd', context.installation.folder, LOCAL).strip()
    target.write(f"{folder}/site_values.py", "SITE_BRANDING = 'Ours'\nfrom os import environ\n")
    main = "from openstack_dashboard.local.site_values import *\nSECRET_KEY = 'x'\n"
    target.write(f"{folder}/local_settings.py", main)
    found = dashboard.read(target, context.installation.python)
    assert {one.shown: one.value for one in found.settings} == {
        "SITE_BRANDING": "'Ours'",
        "SECRET_KEY": "'x'",
    }
    assert found.wrong == ()


def test_rules_of_a_site_are_asked_for(context: Context, target: Host) -> None:
    """charm-openstack-dashboard's keystonev3_policy.json, kolla's keystone_policy.yaml."""
    found = replace(told(context, target, ""), policies={"keystone_policy.yaml": ["a: b"]})
    file, _ = dashboard.translate(found, "ctl", Mapping(), frozenset())
    (one,) = dashboard.judged(target, context.installation, found, file, "ctl")
    assert "keystone_policy.yaml has rules of this site" in one.message


REFUSED = {  # each file, and all that is told of it
    "import re, ssl\n"
    "DISALLOWED_USER_AGENTS = [re.compile('x')]\n"
    "CACHES['default']['OPTIONS'] = {'tls_context': ssl.create_default_context()}\n"
    "SITE_BRANDING = os.environ.get('CONFIG_HASH', 'x')\n": (
        "DISALLOWED_USER_AGENTS has no plain value",
        "CACHES has no plain value",
        "reads its environment",
    ),
    "globals()['API_RESULT_LIMIT'] = 7\nexec('SITE_BRANDING = 7')\n": (
        "API_RESULT_LIMIT is set in a way that cannot be followed",
        "SITE_BRANDING is set in a way that cannot be followed",
    ),
    "WEBROOT = ": ("is no Python",),
    "TEMPLATES[0]['OPTIONS']['x'] = 1": ("TEMPLATES comes to another value on the target",),
    "INSTALLED_APPS += ['no_such_site_app']": ("would not start",),
    "TIME_ZONE = 'Middle/Earth'": ("cannot be read",),
}


@pytest.mark.parametrize("more", REFUSED)
def test_what_cannot_be_followed_is_refused(context: Context, target: Host, more: str) -> None:
    try:
        _, findings = carried(context, target, more)
        told = [str(one) for one in findings if one.severity.value == "error"]
    except PreconditionError as error:
        told = [str(error)]
    for words in REFUSED[more]:
        assert any(words in one for one in told), told
    assert "s3cret" not in str(told)


def test_a_program_that_the_target_lacks(context: Context, target: Host) -> None:
    """Django 5 has no PickleSerializer; here a name that nobody has stands for it."""
    found = told(context, target, "SESSION_SERIALIZER = 'django.contrib.gone.Serializer'")
    file, _ = dashboard.translate(found, "ctl", Mapping(), frozenset())
    asked = dashboard.DjangoSettings(found.settings, code=("django.contrib.gone.Serializer",))
    told_ = [
        one.message for one in dashboard.judged(target, context.installation, asked, file, "ctl")
    ]
    assert told_ == ["name django.contrib.gone.Serializer, which the target does not have"]


def test_nothing_is_written_where_settings_are_read(context: Context, target: Host) -> None:
    listing = 'find "$1"/$2 -printf "%p %T@ %s\\n" | sort'
    told(context, target, "")
    before = target.shell(listing, context.installation.folder, LOCAL)
    dashboard.read(target, context.installation.python)
    assert target.shell(listing, context.installation.folder, LOCAL) == before

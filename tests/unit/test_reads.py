"""Which reads go on while nothing else of the source does."""

from __future__ import annotations

import pytest

from migrate.configuration.service_options import parsed
from migrate.services import RECIPES
from migrate.services.reads import LOGIN, cached_images, logins


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("[DEFAULT]\n", False),
        ("[security_compliance]\nlockout_failure_attempts = 5\n", True),
        ("[security_compliance]\ndisable_user_account_days_inactive = 90\n", True),
        ("[identity]\ndomain_specific_drivers_enabled = True\n", True),
        ("[identity]\ndriver = ldap\n", True),
        ("[identity]\ndriver = sql\n", False),
        ("[auth]\nmethods = password,token,mapped\n", False),
        ("[auth]\nmethods = password,saml2\n", True),
    ],
)
def test_a_login_that_writes_waits(text: str, writes: bool) -> None:
    assert logins(parsed({"keystone.conf": text})) == ((LOGIN,) if writes else ())


def test_an_image_that_is_noted_when_it_is_read_waits() -> None:
    cached = "[paste_deploy]\nflavor = keystone+cachemanagement\n"
    assert cached_images(parsed({"glance-api.conf": cached})) == ("/file",)
    plain = "[paste_deploy]\nflavor = keystone\n"
    assert cached_images(parsed({"glance-api.conf": plain})) == ()


def test_who_answers_is_of_the_control_units() -> None:
    for recipe in RECIPES:
        assert set(recipe.reads.units) <= set(recipe.source_control_units), recipe.project


def test_what_asks_an_engine_or_a_queue_answers_nobody() -> None:
    answering = {unit for recipe in RECIPES for unit in recipe.reads.units}
    assert not answering & {"heat-api", "heat-engine", "neutron-server", "nova-conductor"}

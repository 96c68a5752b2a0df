"""Files that a service reads together are judged together: `cinder.conf` and `cinder.conf.d`."""

from __future__ import annotations

from typing import Any

from migrate.configuration import volumes
from migrate.configuration.translate import translate
from migrate.services import cinder
from tests.unit.configuration.test_translate import aids

CINDER = "/etc/cinder/cinder.conf"
OPTIONS = {
    "DEFAULT": ["host", "enabled_backends"],
    "backend_defaults": ["volume_driver", "backend_host"],
    "keystone_authtoken": ["auth_type", "auth_url"],
}


def over(files: dict[str, str], project: str = "cinder", **case: Any) -> dict[str, str]:
    done = translate(files, aids({"project": project, "options": OPTIONS, **case}))
    assert [str(one) for one in done.findings] == []
    return done.files


def test_backends_and_their_host_may_stand_in_the_folder() -> None:
    done = over(
        {
            CINDER: "[DEFAULT]\nhost = wrong\n[nfs1]\nvolume_driver = x\n",
            f"{CINDER}.d/10-host.conf": "[DEFAULT]\nhost = volumes\n",
            f"{CINDER}.d/20-nfs.conf": "[DEFAULT]\nenabled_backends = nfs1,nfs2,nfs3\n"
            "[nfs2]\nvolume_driver = x\n[nfs3]\nbackend_host = other\n",
        }
    )
    used = {"volumes@nfs1#a": 1, "volumes@nfs2": 1, "other@nfs3": 1, "wrong@nfs1": 1}
    rule = cinder.RECIPE.rules.backend_host
    assert rule
    (found,) = volumes.unserved(cinder.RECIPE, rule, used, [done])
    assert "wrong@nfs1" in found.message
    assert done[f"{CINDER}.d/20-nfs.conf"].count("backend_host") == 1


def test_an_authentication_plugin_named_in_another_file_counts() -> None:
    plugins = {"password": ["username"], "v3applicationcredential": ["application_credential_id"]}
    heading = "[keystone_authtoken]\n"
    files = {
        CINDER: heading + "auth_type = v3applicationcredential\nauth_url = http://x\n",
        f"{CINDER}.d/a.conf": heading + "application_credential_id = 1\n",
    }
    assert over(files, plugins=plugins) == files


def test_the_folder_has_no_say_in_what_this_program_decides() -> None:
    nova = "/etc/nova/nova.conf"
    known = {"upgrade_levels": ["compute"]}
    files = {nova: "[DEFAULT]\n", f"{nova}.d/a.conf": "[upgrade_levels]\ncompute = auto\n"}
    done = over(files, project="nova", options=known)
    assert done[f"{nova}.d/a.conf"] == "[upgrade_levels]\ncompute = epoxy\n"
    assert "compute = epoxy" in done[nova]
    assert (
        over({f"{nova}.d/b.conf": "[DEFAULT]\n"}, "nova", options=known)[f"{nova}.d/b.conf"]
        == "[DEFAULT]\n"
    )

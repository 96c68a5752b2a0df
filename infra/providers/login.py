"""How the openstack provider logs in: one entry of a clouds.yaml, its secrets kept secret."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pulumi

from migrate.cloud import urls
from migrate.errors import SettingsError, UnreachableError

# clouds.yaml -> argument of the provider; a second name for domains that hold user and project
ARGUMENTS = {
    "auth_url": "auth_url",
    "username": "user_name",
    "user_id": "user_id",
    "password": "password",
    "project_name": "tenant_name",
    "project_id": "tenant_id",
    "user_domain_name": "user_domain_name",
    "user_domain_id": "user_domain_id",
    "project_domain_name": "project_domain_name",
    "project_domain_id": "project_domain_id",
    "application_credential_id": "application_credential_id",
    "application_credential_name": "application_credential_name",
    "application_credential_secret": "application_credential_secret",
    "token": "token",
}
# pulumi-openstack marks only the password as secret
SECRET = ("password", "application_credential_secret", "token")


def arguments(cloud: str, file: Path | None) -> dict[str, Any]:
    """Arguments of `pulumi_openstack.Provider` for *cloud*; secrets are secret outputs."""
    from openstack import exceptions  # noqa: PLC0415  half a second, for this provider only
    from openstack.config import OpenStackConfig  # noqa: PLC0415

    try:
        config = OpenStackConfig(
            config_files=[str(file)] if file else None, load_envvars=file is None
        ).get_one(cloud=cloud)
    except exceptions.ConfigException as error:
        raise SettingsError(f"sidestep:machine.cloud: {error}") from error
    given = {ARGUMENTS[k]: v for k, v in config.auth.items() if k in ARGUMENTS and v}
    _reach(given["auth_url"])
    hidden = {k: pulumi.Output.secret(v) if k in SECRET else v for k, v in given.items()}
    if region := config.get_region_name():
        hidden["region"] = region
    return hidden


def _reach(url: str) -> None:
    """Say in one line what the provider would say in a traceback."""
    host, port, _ = urls.web(url)
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError as error:
        raise UnreachableError(f"{url}: the cloud that makes the servers: {error}") from error

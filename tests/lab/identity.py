"""Keystone's own objects of the cloud: service users, catalogue, roles; and how to log in."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Any

import openstack
import yaml

from migrate.errors import MigrateError
from tests.lab.settings import Lab

CATALOGUE = {
    "glance": ("image", "http://{vip}:9292"),
    "placement": ("placement", "http://{vip}:8778"),
    "nova": ("compute", "http://{vip}:8774/v2.1"),
    "neutron": ("network", "http://{vip}:9696"),
    "cinder": ("volumev3", "http://{vip}:8776/v3/%(project_id)s"),
    "heat": ("orchestration", "http://{vip}:8004/v1/%(tenant_id)s"),
}


def connect(lab: Lab, user: str = "admin", project: str = "admin") -> Any:
    """A connection of openstacksdk through the virtual IP."""
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth=credentials(lab, user, project),
        region_name="RegionOne",
        app_name="lab",
    )


def credentials(lab: Lab, user: str, project: str) -> dict[str, str]:
    """What keystone wants to know of a user."""
    return {
        "auth_url": f"http://{lab.vip}:5000/v3",
        "username": user,
        "password": lab.password(user),
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def write_clouds(lab: Lab, logins: dict[str, str]) -> Path:
    """Write clouds.yaml with a cloud `lab-<user>` for each user and its project."""
    clouds = {
        f"lab-{user}": {"auth": credentials(lab, user, project), "region_name": "RegionOne"}
        for user, project in logins.items()
    }
    path = lab.home / "clouds.yaml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump({"clouds": clouds}))
    return path


def add_application_credential(lab: Lab, made: dict[str, str]) -> None:
    """Give clouds.yaml a cloud `lab-application` that logs in by the application credential."""
    path = lab.home / "clouds.yaml"
    document = yaml.safe_load(path.read_text())
    document["clouds"]["lab-application"] = _application(lab, made)
    path.write_text(yaml.safe_dump(document))


def connect_by(lab: Lab, made: dict[str, str]) -> Any:
    """A connection that logs in by the application credential."""
    given: dict[str, Any] = _application(lab, made)
    return openstack.connect(load_yaml_config=False, load_envvars=False, app_name="lab", **given)


def _application(lab: Lab, made: dict[str, str]) -> dict[str, Any]:
    return {
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": f"http://{lab.vip}:5000/v3",
            "application_credential_id": made["id"],
            "application_credential_secret": made["secret"],
        },
        "region_name": "RegionOne",
    }


def wait_for_keystone(lab: Lab, seconds: float = 300) -> Any:
    """A connection that has a token, as soon as keystone answers on the virtual IP."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"http://{lab.vip}:5000/v3", timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise MigrateError(f"keystone of the lab does not answer: {error}") from error
            time.sleep(0.3)
        else:
            break
    cloud = connect(lab)
    cloud.authorize()
    return cloud


def create_service_objects(lab: Lab) -> None:
    """Service users, roles, services and endpoints; nothing of it may exist yet."""
    identity = wait_for_keystone(lab).identity
    project = identity.create_project(name="service", domain_id="default")
    admin, service = identity.find_role("admin"), identity.find_role("service")
    for name, (kind, url) in CATALOGUE.items():
        if name not in lab.services:
            continue
        user = identity.create_user(name=name, password=lab.password(name), domain_id="default")
        identity.assign_project_role_to_user(project, user, admin)
        identity.assign_project_role_to_user(project, user, service)
        entry = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(
                service_id=entry.id,
                interface=interface,
                region_id="RegionOne",
                url=url.replace("{vip}", lab.vip),
            )
    if "heat" in lab.services:
        _create_heat_domain(lab, identity, admin)


def _create_heat_domain(lab: Lab, identity: Any, admin: Any) -> None:
    heat = identity.create_domain(name="heat")
    manager = identity.create_user(
        name="heat_domain_admin", password=lab.password("heat_domain_admin"), domain_id=heat.id
    )
    identity.assign_domain_role_to_user(heat, manager, admin)
    for role in ("heat_stack_owner", "heat_stack_user"):
        identity.create_role(name=role)

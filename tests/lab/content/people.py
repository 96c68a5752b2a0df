"""Projects, users, roles, credentials, quotas, keypairs."""

from __future__ import annotations

from typing import Any

from tests.lab import identity
from tests.lab.content.tell import Told
from tests.lab.settings import Lab


def make(lab: Lab, admin: Any, logins: dict[str, str], told: Told) -> None:
    """Everybody in *logins* (user: project), and what belongs to them."""
    keystone = admin.identity
    _people(lab, keystone, logins)
    customers = keystone.create_domain(name="customers", description="a domain of its own")
    keystone.create_user(name="carol", domain_id=customers.id, password=lab.password("carol"))
    keystone.create_project(name="empty", domain_id=customers.id, description="nothing in it")
    demo = identity.connect(lab, "demo", "demo")
    user = demo.current_user_id
    member = keystone.find_role("member")
    made = demo.identity.create_application_credential(
        user=user, name="robot", roles=[{"id": member.id}], description="of the lab's tests"
    )
    told["application_credential"] = {"id": made.id, "secret": made.secret}
    project = demo.current_project_id
    blob = '{"access": "labaccess", "secret": "labsecret"}'
    keystone.create_credential(user_id=user, project_id=project, type="ec2", blob=blob)
    told["ec2"] = {"access": "labaccess", "secret": "labsecret"}
    admin.compute.update_quota_set(project, instances=17, cores=33)
    admin.block_storage.update_quota_set(project, volumes=23, gigabytes=456)
    admin.network.update_quota(project, network=19, port=77)
    demo.compute.create_keypair(name="demo key")
    admin.compute.create_keypair(name="admin-key")


def _people(lab: Lab, keystone: Any, logins: dict[str, str]) -> None:
    admin = keystone.find_user("admin")
    roles = {name: keystone.find_role(name) for name in ("admin", "member", "reader")}
    for user_name, project_name in logins.items():
        if user_name == "admin":
            continue
        project = keystone.find_project(project_name) or keystone.create_project(
            name=project_name, domain_id="default", description=f"{project_name}: of the lab"
        )
        user = keystone.create_user(
            name=user_name,
            password=lab.password(user_name),
            domain_id="default",
            email=f"{user_name.split()[0].lower()}@example.com",
        )
        role = roles["reader" if user_name == "watcher" else "member"]
        keystone.assign_project_role_to_user(project, user, role)
        keystone.assign_project_role_to_user(project, admin, roles["admin"])
        if user_name == "demo":
            owner = keystone.find_role("heat_stack_owner")
            keystone.assign_project_role_to_user(project, user, owner)
    group = keystone.create_group(name="watchers", domain_id="default")
    keystone.add_user_to_group(keystone.find_user("watcher"), group)

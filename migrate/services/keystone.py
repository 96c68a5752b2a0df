"""Identity: tokens are valid on either side because the fernet keys are carried."""

from migrate.services.base import ApiPort, Config, DatabaseUrl, Heads, Recipe, Tool, majors
from migrate.services.reads import Reads, logins
from migrate.services.records import Question
from migrate.services.rest import Kind, Rest
from migrate.services.unit import Unit

# what is wrong with each trust of {marks}, which is given to the user of both %s
TRUSTS = """
SELECT t.id, t.trustor_user_id AS trustor, t.project_id AS project, CASE
  WHEN t.deleted_at IS NOT NULL THEN 'was deleted'
  WHEN COALESCE(t.expires_at_int < UNIX_TIMESTAMP() * 1000000, t.expires_at < UTC_TIMESTAMP(), 0)
    THEN 'has expired'
  WHEN t.remaining_uses <= 0 THEN 'is used up'
  WHEN u.id IS NULL THEN 'is of a user who is not there any more'
  WHEN u.enabled = 0 THEN 'is of a user who is disabled'
  WHEN p.id IS NULL THEN 'is for a project that is not there any more'
  WHEN p.enabled = 0 THEN 'is for a project that is disabled'
  WHEN %s <> '' AND l.name <> %s THEN 'is given to another user than its service logs in as'
  ELSE '' END AS wrong
FROM {d}.trust t
LEFT JOIN {d}.user u ON u.id = t.trustor_user_id
LEFT JOIN {d}.project p ON p.id = t.project_id
LEFT JOIN {d}.local_user l ON l.user_id = t.trustee_user_id
WHERE t.id IN ({marks})
"""
TRUST_ROLES = "SELECT trust_id, role_id FROM {d}.trust_role WHERE trust_id IN ({marks})"

RECIPE = Recipe(
    project="keystone",
    versions=majors(22),
    user="keystone",
    databases=(DatabaseUrl("keystone", "/etc/keystone/keystone.conf", "database"),),
    source_control_units=("keystone",),
    reads=Reads(units=("keystone",), act=("/OS-FEDERATION/",), more=logins),
    units=(
        Unit(
            "keystone",
            port=5000,
            module="keystone.wsgi.api:application",
            preload=("keystone.server.flask.application", "keystone.api"),
            no_shadow="",
        ),
    ),
    configs=(
        Config("/etc/keystone/keystone.conf"),
        Config("/etc/keystone/keystone.conf.d/*.conf"),
        Config("/etc/keystone/domains/*.conf"),
    ),
    carried=("/etc/keystone/sso_callback_template.html",),
    namespaces=(
        *("keystone", "oslo.cache", "oslo.db", "oslo.log", "oslo.messaging", "oslo.middleware"),
        *("oslo.policy", "osprofiler"),
    ),
    policy="keystone",
    keys=("/etc/keystone/fernet-keys", "/etc/keystone/credential-keys"),
    apis=(ApiPort("keystone", 5000, path="/v3", types=("identity",)),),
    rest=Rest(
        service="identity",
        version="/v3",
        short="/services",
        turn=2,
        kinds=(
            Kind("domain", "/domains", admin=True),
            Kind("project", "/projects", admin=True),
            Kind("user", "/users", admin=True),
            Kind("group", "/groups", admin=True),
            Kind(
                "group-member", "/groups/{id}/users", each="group", id="{parent}/{id}", admin=True
            ),
            Kind("role", "/roles", admin=True),
            Kind("role-inference", "/role_inferences", id="{prior_role[id]}", admin=True),
            Kind(
                "role-assignment",
                "/role_assignments",
                id=":assignment",
                admin=True,
                owner="scope/project/id",
            ),
            Kind("region", "/regions", admin=True),
            Kind("catalogue-service", "/services", admin=True),
            Kind("endpoint", "/endpoints", admin=True),
            Kind("credential", "/credentials", digest=("blob",)),
            Kind(
                "application-credential",
                "/users/{id}/application_credentials",
                each="user",
                admin=True,
            ),
            Kind("trust", "/OS-TRUST/trusts", admin=True, optional=True),
            Kind("identity-limit", "/limits", common=True, optional=True),
            Kind("registered-limit", "/registered_limits", common=True, optional=True),
        ),
    ),
    sync=(
        Tool(argv=("keystone-manage", "db_sync", "--expand")),
        Tool(argv=("keystone-manage", "db_sync", "--migrate")),
        Tool(argv=("keystone-manage", "db_sync", "--contract")),
    ),
    heads_prove_sync=True,
    sync_preload=("keystone.common.sql.upgrades", "keystone.common.sql.core", "keystone.server"),
    status_check=Tool(argv=("keystone-status", "upgrade", "check"), accepted=(0, 1)),
    heads=(Heads("keystone", "keystone/common/sql/migrations/versions"),),
    questions=(
        Question(
            database="keystone",
            table="application_credential",
            where="NOT EXISTS (SELECT 1 FROM {d}.user u WHERE u.id = {t}.user_id) OR (project_id "
            "IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {d}.project p WHERE p.id = "
            "{t}.project_id)) OR NOT EXISTS (SELECT 1 FROM {d}.application_credential_role "
            "r WHERE r.application_credential_id = {t}.internal_id)",
            message="application credential(s) are of a user or project that is not there, or have "
            "no role: they work on neither side",
            remedy="Delete them (`openstack application credential delete`)",
            warning=True,
        ),
        Question(
            database="keystone",
            table="trust",
            where="deleted_at IS NULL AND ((project_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
            "{d}.project p WHERE p.id = {t}.project_id)) OR NOT EXISTS (SELECT 1 FROM "
            "{d}.trust_role r WHERE r.trust_id = {t}.id))",
            message="trust(s) are of a project that is not there, or have no role: stacks that use "
            "them fail on either side",
            remedy="Update those stacks, so that they make another, or delete the trust",
            warning=True,
        ),
    ),
)

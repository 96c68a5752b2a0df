"""What a real keystone's database says of trusts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrate.checks import agents, trusts
from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database.service_databases import service_databases
from tests.checked import check_of

pytestmark = [pytest.mark.rig, pytest.mark.in_set("bad-input")]

# the administrator's own, for a project of his; each row with one thing wrong
MAKE = """
SELECT actor_id, target_id, role_id INTO @user, @project, @role FROM assignment
  WHERE type = 'UserProject' LIMIT 1;
INSERT INTO trust (id, trustor_user_id, trustee_user_id, project_id, impersonation, deleted_at,
                   expires_at, expires_at_int, remaining_uses) VALUES
  ('rig-good', @user, @user, @project, 1, NULL, NULL, NULL, NULL),
  ('rig-later', @user, @user, @project, 1, NULL, NOW() + INTERVAL 1 DAY, NULL, 1),
  ('rig-deleted', @user, @user, @project, 1, NOW(), NULL, NULL, NULL),
  ('rig-expired', @user, @user, @project, 1, NULL, NOW() - INTERVAL 1 DAY, NULL, NULL),
  ('rig-over', @user, @user, @project, 1, NULL, NULL, 1000000, NULL),
  ('rig-used', @user, @user, @project, 1, NULL, NULL, NULL, 0),
  ('rig-user', 'nobody', @user, @project, 1, NULL, NULL, NULL, NULL),
  ('rig-project', @user, @user, 'nowhere', 1, NULL, NULL, NULL, NULL);
INSERT INTO trust_role VALUES ('rig-good', @role), ('rig-later', 'no-such-role');
"""
UNDO = """
DELETE FROM trust_role WHERE trust_id LIKE 'rig-%'; DELETE FROM trust WHERE id LIKE 'rig-%';
"""


@pytest.fixture
def made(source: Host) -> Iterator[None]:
    source.run("mariadb", "keystone", stdin=MAKE)
    yield
    source.run("mariadb", "keystone", stdin=UNDO)


@pytest.mark.usefixtures("made")
def test_each_is_judged_as_keystone_would(context: Context, source: Host) -> None:
    found = {one.usual: one for one in service_databases(context.source, context.recipes)}
    names = ("good", "later", "deleted", "expired", "over", "used", "user", "project", "none")
    known = trusts._known(context, found["keystone"], "", {f"rig-{one}" for one in names})
    grants = trusts._grants(agents.administrator(context), known.values())
    told = {one: trusts.judge(f"rig-{one}", known, grants) for one in names}
    assert told == {
        "good": "",
        "later": "passes on roles that its user does not hold any more",
        "deleted": "was deleted",
        "expired": "has expired",
        "over": "has expired",
        "used": "is used up",
        "user": "is of a user who is not there any more",
        "project": "is for a project that is not there any more",
        "none": "is not there any more",
    }


def test_a_cloud_without_heat_has_none(context: Context) -> None:
    assert check_of(trusts).run(context) == []

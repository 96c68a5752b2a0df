# The target's "release": alpha's tool beside Debian's own Python and alembic.
site=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
install -d "$site/alpha" "$site/alpha-2.0.dist-info" /opt/openstack/2026.1/bin
mv /root/alpha.py "$site/alpha/__init__.py"
printf 'Metadata-Version: 2.1\nName: alpha\nVersion: 2.0\n' >"$site/alpha-2.0.dist-info/METADATA"
printf '[console_scripts]\nalpha-manage = alpha:main\n' >"$site/alpha-2.0.dist-info/entry_points.txt"
for schema in api main; do
  install -d "$site/alpha/$schema/versions"
  cat >"$site/alpha/$schema/env.py" <<'ENV'
from alembic import context

link = context.config.attributes["connection"]
context.configure(connection=link)
with context.begin_transaction():
    context.run_migrations()
ENV
  printf 'revision = "%s1"\ndown_revision = None\n\n\ndef upgrade():\n    pass\n' $schema \
    >"$site/alpha/$schema/versions/one.py"
done
cat >"$site/alpha/main/versions/two.py" <<'REVISION'
import sqlalchemy as sa
from alembic import op

revision = "main2"
down_revision = "main1"


def upgrade():
    op.add_column("things", sa.Column("extra", sa.Integer()))
REVISION
ln -sf /usr/bin/python3 /opt/openstack/2026.1/bin/python
printf '#!/opt/openstack/2026.1/bin/python\nimport sys\nfrom alpha import main\nsys.exit(main())\n' \
  >/opt/openstack/2026.1/bin/alpha-manage
chmod -R a+rX "$site/alpha" "$site/alpha-2.0.dist-info" /opt/openstack
chmod 0755 /opt/openstack/2026.1/bin/alpha-manage
chmod 0644 "$site/alpha/__init__.py"
: >/etc/alpha/behaviour
chmod 0644 /etc/alpha/behaviour

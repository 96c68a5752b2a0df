"""Rows as OpenStack's in the source's service databases, and somebody who goes on writing them."""

from __future__ import annotations

import time

from migrate.cloud import Context
from migrate.cloud.host import Host
from migrate.database import connection
from migrate.database.service_databases import known

# all of it is older than what the binary log still has, as in a cloud of some age
MAKE = """
SET SESSION sql_log_bin = 0;
USE {first};
CREATE TABLE bench_servers (id INT AUTO_INCREMENT PRIMARY KEY, created_at DATETIME,
  updated_at DATETIME, uuid VARCHAR(36) NOT NULL, project_id VARCHAR(255), host VARCHAR(255),
  vm_state VARCHAR(255), info JSON, UNIQUE KEY (uuid), KEY (project_id), KEY (host));
INSERT INTO bench_servers SELECT seq, '2026-01-01' + INTERVAL seq SECOND, NULL, MD5(seq),
  MD5(seq MOD 500), CONCAT('cmp', seq MOD 300), 'active',
  CONCAT('{{"flavor": {{"name": "small", "vcpus": 1}}, "about": "', REPEAT(MD5(seq + 1), 12), '"}}')
  FROM seq_1_to_{servers};
CREATE TABLE bench_services (id INT AUTO_INCREMENT PRIMARY KEY, host VARCHAR(255), beats INT,
  at DATETIME(6));
INSERT INTO bench_services SELECT seq, CONCAT('cmp', seq), 0, NULL FROM seq_1_to_300;
USE {second};
CREATE TABLE bench_actions (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6),
  server VARCHAR(36), action VARCHAR(255), message TEXT, KEY (server));
INSERT INTO bench_actions SELECT seq, '2026-01-01' + INTERVAL seq SECOND, MD5(seq MOD 10000),
  'create', REPEAT(MD5(seq + 2), 6) FROM seq_1_to_{actions};
CREATE TABLE bench_bindings (policy VARCHAR(36) NOT NULL, port VARCHAR(36) NOT NULL, KEY (port));
INSERT INTO bench_bindings SELECT MD5(seq MOD 50), MD5(seq) FROM seq_1_to_{bindings};
"""
# most tables of a cloud have next to nothing in them, however large it is
SMALL = """
CREATE TABLE bench_small_{n} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(255), extra TEXT,
  UNIQUE KEY (name));
INSERT INTO bench_small_{n} SELECT seq, CONCAT('one ', seq), MD5(seq) FROM seq_1_to_20;
"""
SMALL_ONES = 200  # in each database
SERVERS, ACTIONS = 960, 1640  # rows for each megabyte of data; 0.6 and 0.4 MB
# without a primary key it is read whole; no table of the services that grows is so
BINDINGS = 2000
ACCOUNT = """
SET SESSION sql_log_bin = 0;
CREATE USER bench@localhost;
GRANT SELECT, INSERT, UPDATE ON {first}.* TO bench@localhost;
GRANT SELECT, INSERT, UPDATE ON {second}.* TO bench@localhost;
"""
# ten heartbeats and one change of the largest table a second; ended by a fence, begun again after
WRITE = """
while sleep 0.1; do
  n=$((n + 1))
  id=$((RANDOM % 300 + 1))
  echo "UPDATE $1.bench_services SET at = NOW(6), beats = beats + 1 WHERE id = $id;"
  [ $((n % 10)) -gt 0 ] || cat <<SQL
UPDATE $1.bench_servers SET updated_at = NOW(), vm_state = 'stopped'
  WHERE id = $((RANDOM % $3 + 1));
INSERT INTO $2.bench_actions (at, server, action) VALUES (NOW(6), MD5(RAND()), 'stop');
INSERT INTO $2.bench_bindings VALUES (MD5(RAND()), MD5(RAND()));
SQL
done | mariadb --user=bench
"""
UNIT = (
    *("systemd-run", "--quiet", "--collect", "--unit=bench-writer"),
    *("-p", "Restart=always", "-p", "RestartSec=0.2", "-p", "StartLimitIntervalSec=0"),
    *("-p", "IgnoreSIGPIPE=no"),  # else the loop would not notice that nobody reads it any more
)
SIZE = """
SELECT COUNT(*), SUM(table_rows), SUM(data_length + index_length) FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema IN ({})
"""


def names(context: Context) -> list[str]:
    """The services' databases."""
    return sorted(one.name for one in known(context))


def fill(context: Context, megabytes: int) -> tuple[int, int, int]:
    """So much more in the source's databases; how many tables, rows and bytes there are then.

    Rows are what the server reckons.
    """
    source = context.source.database
    first, second = map(connection.quoted, names(context)[:2])
    counts = {"servers": SERVERS * megabytes, "actions": ACTIONS * megabytes}
    made = MAKE.format(first=first, second=second, bindings=BINDINGS, **counts)
    for name in (first, second):
        made += f"USE {name};" + "".join(SMALL.format(n=n) for n in range(SMALL_ONES))
    source.run("mariadb", stdin=made + ACCOUNT.format(first=first, second=second), timeout=3600)
    begin_writing(context, megabytes)
    all_tables = ", ".join(tables(source, names(context)))
    source.run("mariadb", stdin=f"ANALYZE NO_WRITE_TO_BINLOG TABLE {all_tables}", timeout=600)
    with connection.session(source) as link:
        asked = SIZE.format(connection.marks(names(context)))
        ((count, rows, size),) = connection.rows(link, asked, *names(context))
    return int(count), int(rows), int(size)


def begin_writing(context: Context, megabytes: int) -> None:
    """Somebody who goes on writing what `fill` made."""
    first, second = names(context)[:2]
    write = (first, second, str(SERVERS * megabytes))
    context.source.database.run(*UNIT, "bash", "-c", WRITE, "bash", *write)


def tables(host: Host, databases: list[str]) -> list[str]:
    """All tables of *databases* on *host*, quoted."""
    with connection.session(host) as link:
        found = connection.rows(
            link,
            "SELECT table_schema, table_name FROM information_schema.tables WHERE"
            f" table_type = 'BASE TABLE' AND table_schema IN ({connection.marks(databases)})"
            " ORDER BY 1, 2",
            *databases,
        )
    return [connection.quoted(schema, table) for schema, table in found]


def refuse_different(context: Context) -> None:
    """SystemExit where the target's tables are not those of the source by CHECKSUM TABLE."""
    sums = []
    for host in (context.source.database, context.target.database):
        some = ", ".join(tables(host, names(context)))
        sums.append(host.run("mariadb", stdin=f"CHECKSUM TABLE {some}", timeout=3600))
    if sums[0] != sums[1]:
        raise SystemExit("the copy is not the source, though nothing said so")


def behind(context: Context, times: int, pause: float) -> list[float] | None:
    """Seconds that the target's newest heartbeat is older than the source's, asked *times*.

    The source is asked last: it is at most that. None where the target's stands still.
    """
    newest = f"SELECT MAX(at) FROM {connection.quoted(names(context)[0], 'bench_services')}"
    seen, lag = [], []
    for _ in range(times):
        both = []
        for host in (context.target.database, context.source.database):
            with connection.session(host) as link:
                both.append(connection.value(link, newest))
        seen.append(both[0])
        if both[0] and both[1]:
            lag.append((both[1] - both[0]).total_seconds())
        time.sleep(pause)
    return lag if seen[0] != seen[-1] else None

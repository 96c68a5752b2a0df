"""A source with rows of many kinds that is written to, and a target to be seeded from it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrate.cloud import Context, transfer
from migrate.database import connection
from migrate.database.replication import proving, replica
from migrate.engine import markers
from tests.integration import pair
from tests.statements import sql

MADE = (
    "CREATE TABLE alpha.one (id INT PRIMARY KEY, n BIGINT)",
    "CREATE TABLE `beta-1`.other (id INT PRIMARY KEY, n BIGINT)",
    "INSERT INTO alpha.one VALUES (1, 0)",
    "INSERT INTO `beta-1`.other VALUES (1, 0)",
    "CREATE TABLE alpha.many (id INT PRIMARY KEY, t VARCHAR(250), u CHAR(32), UNIQUE KEY (u))",
    "INSERT INTO alpha.many SELECT seq, REPEAT(MD5(seq), 7), MD5(seq) FROM alpha.seq_1_to_200000",
    "CREATE TABLE alpha.bare (a INT, b BLOB)",
    "INSERT INTO alpha.bare VALUES (1, UNHEX('00FF0A0D275C')), (1, UNHEX('00FF0A0D275C'))",
    # children are before their parents by name, and larger
    "CREATE TABLE alpha.zparent (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO alpha.zparent SELECT seq, 'näme' FROM alpha.seq_1_to_1000",
    "CREATE TABLE alpha.achild (id INT AUTO_INCREMENT PRIMARY KEY, p INT, t TEXT,"
    " FOREIGN KEY (p) REFERENCES alpha.zparent (id) ON DELETE CASCADE)",
    "INSERT INTO alpha.achild (p, t) SELECT seq % 1000 + 1, REPEAT('x', 200)"
    " FROM alpha.seq_1_to_20000",
    "DELETE FROM alpha.achild WHERE id > 19000",
    "CREATE TRIGGER alpha.stamped BEFORE INSERT ON alpha.zparent FOR EACH ROW"
    " SET NEW.t = CONCAT(NEW.t, ' by trigger')",
    "CREATE TRIGGER alpha.noted AFTER INSERT ON alpha.achild FOR EACH ROW"
    " INSERT INTO alpha.bare VALUES (NEW.id, 'by trigger')",
    "CREATE FUNCTION alpha.twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    "CREATE VIEW alpha.zview AS SELECT id FROM alpha.zparent",
    "CREATE VIEW alpha.aview AS SELECT alpha.twice(id) AS d FROM alpha.zview",
    "CREATE EVENT alpha.daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM alpha.bare",
)
OPTIONS = "/etc/mysql/mariadb.conf.d/80-log.cnf"
LOGGED = (
    "[mariadbd]\nlog_bin = /var/lib/mysql/binlog\nbinlog_format = ROW\n"
    "server_id = {}\ngtid_domain_id = {}\n"
)


@contextmanager
def running(older: Path | None = None) -> Iterator[Context]:
    """The pair, both logging; the source on the layer *older*, if any."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="pair-") as home,
        pair.running(Path(home), older) as made,
    ):
        for name in ("mark", "unmark", "refuse_after"):  # the pair has no broker to keep marks
            patch.setattr(markers, name, lambda *_: None)
        for number, host in enumerate((made.source.database, made.target.database)):
            host.write(OPTIONS, LOGGED.format(number + 11, number), mode=0o644)
            host.run("systemctl", "restart", "mariadb", timeout=300)
        transfer.allow(made)
        sql(made.source.database, "DROP DATABASE elsewhere", *MADE)
        yield made


@contextmanager
def written(context: Context) -> Iterator[list[int]]:
    """Two tables of two databases are written to in one transaction, without pause."""
    ended, done = threading.Event(), [0]

    def write() -> None:
        with connection.session(context.source.database) as link:
            while not ended.is_set():
                both = ("alpha.one", "`beta-1`.other")
                steps = [f"UPDATE {one} SET n = n + 1" for one in both]
                connection.several(link, ("START TRANSACTION", *steps, "COMMIT"))
                done[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield done
    finally:
        ended.set()
        writer.join()


def equal(context: Context) -> None:
    """By checksums and definitions, at one position of both."""
    replica.begin(context)
    proving.prove(context)

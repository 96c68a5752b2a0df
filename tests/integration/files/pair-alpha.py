"""alpha's schema tool of the new release: `alpha-manage (api_db|db) sync`, with a real alembic.

/etc/alpha/behaviour says how it behaves: "" works, "lie" does nothing and exits 0, "half" changes
the schema and then fails.
"""

import configparser
import os
import sys
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config


def main() -> int:
    which, _ = sys.argv[1:]
    behaviour = Path("/etc/alpha/behaviour").read_text().strip()
    if behaviour == "lie":
        return 0
    config = Config()
    here = Path(__file__).parent / ("api" if which == "api_db" else "main")
    config.set_main_option("script_location", str(here))
    url = _url("api_database" if which == "api_db" else "database")
    engine = sqlalchemy.create_engine(url)
    if behaviour == "half" and which == "db":
        with engine.begin() as link:
            link.execute(sqlalchemy.text("ALTER TABLE things ADD COLUMN extra INT"))
        sys.exit("half of it failed")
    with engine.begin() as link:
        config.attributes["connection"] = link
        command.upgrade(config, "heads")
    return 0


def _url(section: str) -> str:
    named = f"OS_{section.upper()}__CONNECTION"
    if named in os.environ:
        return os.environ[named]
    parser = configparser.RawConfigParser()
    parser.read([Path("/etc/alpha/alpha.conf"), *sorted(Path("/etc/alpha/alpha.conf.d").iterdir())])
    return parser.get(section, "connection").replace("$my_ip", parser.get("DEFAULT", "my_ip"))

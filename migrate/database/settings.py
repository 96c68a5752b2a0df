"""Server-wide settings that decide how a schema tool's tables turn out: compared and carried."""

from migrate.database import connection

CARRIED = (
    *("character_set_server", "collation_server", "character_set_collations", "sql_mode"),
    *("explicit_defaults_for_timestamp", "innodb_strict_mode", "default_storage_engine"),
)
FIXED = ("lower_case_table_names", "innodb_page_size")  # cannot be set on a running server
# what servers did before they had the variable (MariaDB 11.2 and older)
OLDER = {"character_set_collations": "utf8mb3=utf8mb3_general_ci,utf8mb4=utf8mb4_general_ci"}


def read(link: connection.Session) -> dict[str, str]:
    """The values of `CARRIED` and `FIXED` on this server."""
    names = (*CARRIED, *FIXED)
    statement = f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({connection.marks(names)})"
    found = {str(name): str(value) for name, value in connection.rows(link, statement, *names)}
    return {name: found.get(name, OLDER.get(name, "")) for name in names}


def apply(link: connection.Session, wanted: dict[str, str]) -> None:
    """Set the carried ones on the running server; sessions made from now on have them."""
    now = read(link)
    for name in CARRIED:
        if name in wanted and wanted[name] != now[name]:
            typed: object = wanted[name]
            if wanted[name] in {"ON", "OFF"}:
                typed = int(wanted[name] == "ON")
            connection.rows(link, f"SET GLOBAL {connection.quoted(name)} = %s", typed)


def option_file(wanted: dict[str, str]) -> str:
    """The same as an option file, so that a restart does not lose them."""
    lines = [f"{name} = {wanted[name]}" for name in CARRIED if wanted.get(name)]
    return "# Written by sidestep: as the source cloud's server has it.\n[mariadbd]\n" + "".join(
        f"{line}\n" for line in lines
    )

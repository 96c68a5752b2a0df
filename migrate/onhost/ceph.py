"""What this host's `ceph` says of its cluster: side by side, and never waited for without end."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from migrate.onhost import systemd

CONF = "/etc/ceph/ceph.conf"
CONNECT_SECONDS, ANSWER_SECONDS = 15, 40
SILENT_SECONDS = 17  # longer than CONNECT_SECONDS; with ANSWER_SECONDS less than `call` waits
QUESTIONS = {
    "status": ("status",),
    "health": ("health", "detail"),
    "quorum": ("quorum_status",),
    "versions": ("versions",),
    "osds": ("osd", "dump"),
    "tree": ("osd", "tree"),
    "rules": ("osd", "crush", "rule", "dump"),
    "metadata": ("osd", "metadata"),
    "filesystems": ("fs", "ls"),
    "managers": ("mgr", "dump"),
}


def read() -> dict[str, Any]:
    """The answer to each of QUESTIONS; none of them tells a key."""
    return _answers(QUESTIONS)


def release(program: str) -> int:
    """The release of this host's *program*, a daemon's, e.g. 18."""
    found = re.search(r"version (\d+)", systemd.run(program, "--version"))
    if not found:
        raise RuntimeError(f"{program} does not tell its version")
    return int(found.group(1))


def client() -> int:
    """The release of this host's clients, librbd with them; 0 where there are none."""
    try:
        return release("ceph")
    except FileNotFoundError:
        return 0


def balances() -> str:
    """How the manager's balancer moves data of its own will, e.g. "upmap"; "" where it rests."""
    said = ask("balancer", "status")
    return str(said["mode"]) if said["active"] else ""


def gateways(logins: list[list[str]]) -> list[str] | None:
    """Addresses of the gateways of this host's cluster; None where no login is let in.

    *logins* are `ceph`'s own options: a service's user is told that too.
    """
    for login in logins:
        try:
            services = ask(*login, "status")["servicemap"]["services"]
        except RuntimeError:
            continue
        daemons = services.get("rgw", {}).get("daemons", {}).values()
        # "10.0.0.1:0/2067077762", and a summary among them
        return [one["addr"].rpartition(":")[0].strip("[]") for one in daemons if "addr" in one]
    return None


def statistics() -> dict[str, Any]:
    """What the active manager knows, and what monitors tell of it.

    {"manager": "a", "available": True, "up": [0], "reported": [0], "ready": True,
    "groups": [{"name": "active+clean", "num": 33}], "told": [{"state_name": ..., "count": 33}]}
    """
    said = _answers({"managers": ("mgr", "dump"), "osds": ("osd", "dump")})
    found = {
        "manager": said["managers"]["active_name"],
        "available": said["managers"]["available"],
        "up": [one["osd"] for one in said["osds"]["osds"] if one["up"]],
    }
    if not found["available"]:  # nobody would answer the rest
        return found
    said = _answers({"groups": ("pg", "stat"), "perf": ("osd", "perf"), "status": ("status",)})
    return {
        **found,
        "reported": [one["id"] for one in said["perf"]["osdstats"]["osd_perf_infos"]],
        "ready": said["groups"]["pg_ready"],
        "groups": said["groups"]["pg_summary"]["num_pg_by_state"],
        "told": said["status"]["pgmap"].get("pgs_by_state", []),
    }


def _answers(questions: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda question: ask(*question), questions.values())
        return dict(zip(questions, answers))


def hold(host: str) -> None:
    """Nothing is taken off *host* while it is away."""
    run("osd", "set-group", "noout", host)


def let_go(host: str) -> None:
    """Undo `hold`, also where another machine did that."""
    if "noout" in ask("osd", "dump")["crush_node_flags"].get(host, []):
        run("osd", "unset-group", "noout", host)


def unstoppable(ids: list[str]) -> str:
    """Why those OSDs may not stop together now, in the cluster's words; "" if they may."""
    try:
        run("osd", "ok-to-stop", *ids)
    except RuntimeError as error:
        return str(error)
    return ""


def places(ids: list[int]) -> list[Any]:
    """[id, fsid, weight, host, what that hangs in] of each, by the cluster's maps."""
    said = _answers({"osds": ("osd", "dump"), "tree": ("osd", "tree")})
    fsids = {one["osd"]: one["uuid"] for one in said["osds"]["osds"]}
    nodes = {one["id"]: one for one in said["tree"]["nodes"]}
    above = {child: one for one in nodes.values() for child in one.get("children", [])}

    def way(id_: int) -> list[str]:
        return [above[id_]["name"], *way(above[id_]["id"])] if id_ in above else []

    return [[id_, fsids[id_], nodes[id_]["crush_weight"], *way(id_)] for id_ in sorted(ids)]


def recovered() -> list[int]:
    """Objects and bytes that were ever recovered, by the groups' own count."""
    found = ask("pg", "dump", "sum")["pg_map"]["pg_stats_sum"]["stat_sum"]
    return [found["num_objects_recovered"], found["num_bytes_recovered"]]


def ask(*question: str) -> Any:
    """What `ceph` answers to *question*, as JSON; RuntimeError where it does not.

    It is asked twice: a client whose monitor falls silent looks for another after 30 s only, a new
    one at once.
    """
    told = ("-f", "json", *question)
    return json.loads(_said(told, SILENT_SECONDS) or run(*told))


def run(*argv: str, seconds: float = ANSWER_SECONDS) -> str:
    """The output of `ceph`; RuntimeError says why there is none, a lost quorum too."""
    if (said := _said(argv, seconds)) is None:
        raise RuntimeError(f"ceph {' '.join(argv)} gave no answer in {seconds:g} s")
    return said


def _said(argv: tuple[str, ...], seconds: float) -> str | None:
    """None where it gave no answer within *seconds*."""
    bounded = ("ceph", "--connect-timeout", str(CONNECT_SECONDS), *argv)
    try:
        done = subprocess.run(
            bounded,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except FileNotFoundError:
        raise RuntimeError("there is no `ceph` here: install ceph-common, with its key") from None
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        told = " ".join((done.stderr or done.stdout).split())[-300:]
        raise RuntimeError(f"ceph {' '.join(argv)} exited {done.returncode}: {told}")
    return done.stdout

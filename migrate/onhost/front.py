"""The front of this source controller: a small HAProxy of ours before the operator's own proxy.

The packet filter hands it what is sent to where users are heard (`tproxy`), so the operator's proxy
is neither edited nor reloaded, and no connection that stands is broken. Its mode is "open", where
it passes calls on; "users", whose writes are held for a while, then refused; "writes", where all
are, and calls that read pass; "all", where every call is refused; or "target", where all calls go
there and none to this host any more. Its own beat keeps
the rule alive while it is open: dead or frozen, calls go past it. In every other mode nothing does,
also after a boot. What `takeover/front` renders is a *spec*:

{"config": text of its configuration, "heard": [["10.0.0.10", 8774]], "ports": {"8774": 19001},
 "beat": 19000}
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from typing import Any

from migrate.onhost import bypassing, disk, knock, record, sockets, systemd

RECORD = "front"
FOLDER = f"{record.FOLDER}/front"
PROGRAM = f"{FOLDER}/migrate-front"  # no check of the operator's takes it for haproxy
CONFIG, SOCKET, RULES = f"{FOLDER}/front.cfg", f"{FOLDER}/front.sock", f"{FOLDER}/rules.nft"
UNIT = "migrate-front.service"
TABLE = "migrate_front"
SOURCE = "127.0.0.77"  # from where the front itself calls: the rule lets it pass
WRITES = "POST"  # reads pass as long as it is closed to users alone
STRANGER = "127.0.0.66"  # a user's call, made on this host
MODES = ("open", "users", "writes", "all", "target")  # by their numbers in its configuration
SESSION = re.compile(r"(?m)^(0x[0-9a-f]+): proto=\w+ src=(\S+) fe=(\d+) ")
STARTED = 15.0  # seconds in which it is up
ENDED = 10.0  # seconds that calls in it have to end
BEFORE, AFTER = 10.0, 3.0  # seconds in which connections past it are ended, each while idle
ACTED, READ = 5.0, 1.5  # seconds that calls have to end which act, and which read
# while it is closed, and no longer than so many ms by the clock, whatever becomes of anybody
HOLD = """local function now()
  local at = core.now()
  return at.sec * 1000 + math.floor(at.usec / 1000)
end
core.register_action("hold", {"http-req"}, function(txn)
  local deadline = now() + (txn:get_var("proc.hold") or 0)
  while now() < deadline do
    local mode = txn:get_var("proc.mode")
    if mode == 0 or mode == 4 then return txn:set_var("txn.shut", false) end
    core.msleep(5)
  end
end)
"""
TEXT = f"""[Unit]
Description=The front of the cloud's APIs while it is moved (migrate)
After=network-online.target

[Service]
ExecStartPre=nft -f {RULES}
ExecStart={PROGRAM} -db -f {CONFIG}
LimitNOFILE=131072
Restart=on-failure
RestartSec=1
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""


def obstacles(ports: list[int]) -> list[str]:
    """Why this host can have none, a line each; *ports* are to be the front's own."""
    found = []
    if not shutil.which("nft"):
        found.append("it has no `nft` (install the package nftables)")
    elif said := _refused("nft", "-c", "-f", "-", stdin=_table([["127.0.0.99", 1]], {"1": 2}, 3)):
        found.append(f"its packet filter takes no tproxy rule ({said})")
    haproxy = shutil.which("haproxy")
    if not haproxy:
        found.append("it has no HAProxy whose program the front could be")
    elif "+LUA" not in systemd.run(haproxy, "-vv"):
        found.append("its HAProxy was built without Lua")
    if record.load(RECORD) is None:  # else they are its own
        taken = sorted(set(ports) & set(sockets.open_ports()))
        found += [f"its port {one} is in use" for one in taken]
    return found


def stand(spec: dict[str, Any]) -> None:
    """Stand before the operator's proxy as *spec* says, calls pass; RuntimeError where not."""
    with record.locked():
        kept = record.load(RECORD)
        if kept and kept["mode"] != "open":
            raise RuntimeError("the front is closed: it opens when the window is undone")
        if kept and kept["spec"] != spec:
            _leave(kept)
        record.save(RECORD, {"spec": spec, "mode": "open"})
        disk.make_private(FOLDER)
        shutil.copy2(str(shutil.which("haproxy")), PROGRAM)
        disk.write(f"{FOLDER}/hold.lua", HOLD, 0o600)
        _keep(spec, "open")
        if said := _refused(PROGRAM, "-c", "-q", "-f", CONFIG):
            raise RuntimeError(f"the front's configuration is not taken: {said}")
        disk.write(f"{systemd.UNITS}/{UNIT}", TEXT, 0o644)
        systemd.run("systemctl", "daemon-reload")
        systemd.run("systemctl", "restart", UNIT)
        _await()
        _filter(spec, "open")


def state() -> dict[str, Any]:
    """{"mode": "users", "digest": of its spec}; "mode" is "" where none stands.

    It is asked, and not what was noted: dead, or where the rule is gone, it does not stand.
    """
    kept = record.load(RECORD)
    if kept is None:
        return {"mode": "", "digest": ""}
    shut = _is_shut()
    mode = _mode() if shut is not None else ""
    if shut and not mode:
        mode = kept["mode"]  # dead, it lets nobody through
    return {"mode": mode, "digest": digest(kept["spec"])}


def digest(spec: dict[str, Any]) -> str:
    """A short name for *spec*."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


def close(depth: str) -> bool:
    """Close it to "users", so that the cloud's own hosts pass, or to "all"; whether there is one.

    Who reads passes in both. From here on nothing passes it by, dead or alive, also after a boot.
    After it has led to the target it refuses every call at once: nobody may see this side who saw
    that one, and the way back takes longer than anybody waits.
    """
    with record.locked():
        kept = record.load(RECORD)
        if kept is None:
            return False
        if kept["mode"] == "open":
            end_bypassing(BEFORE)
        holds = kept["mode"] != "target" and kept.get("holds", True)
        mode = "writes" if depth == "all" and holds else depth
        record.save(RECORD, {"spec": kept["spec"], "mode": mode, "holds": holds})
        _keep(kept["spec"], mode, holds=holds)
        systemd.run("systemctl", "enable", "--quiet", UNIT)
        if not _mode():
            systemd.run("systemctl", "restart", UNIT)
            _await()
        if not holds:
            _say("set var proc.hold int(0)")
        _say(f"set var proc.mode int({MODES.index(mode)})")
        _filter(kept["spec"], mode)
    end_bypassing(AFTER)
    return True


def end_calls() -> None:
    """End what is still carried to this host and may not be: by then consoles, and what is slow.

    Those are all but calls that read, and those too once it leads to the target.
    """
    kept = record.load(RECORD)
    if kept is None:
        return
    bypassing.end(kept["spec"]["heard"], SOURCE, _pids(), idle=False)
    flips = kept["mode"] == "target"
    kinds = ("acts", "reads") if flips else ("acts",)
    deadline = time.monotonic() + (READ if flips else ACTED)
    while _carried(kinds) and time.monotonic() < deadline:
        time.sleep(0.05)
    for port in kept["spec"]["ports"]:
        for kind in kinds:
            _say(f"shutdown sessions server {kind}_{port}/s")


def lead_to_target() -> None:
    """Let all calls through to the target, those held first; see `flip.py`, which has the lock.

    From the note on nothing leads to this host's own APIs, dead or alive, also after a boot, until
    `close` is called.
    """
    kept = record.load(RECORD)
    if kept is None or not _is_shut():
        raise RuntimeError("the front is not closed: calls would go to both sides")
    at = kept.get("flipped") or time.time()  # of a run that was killed here
    record.save(RECORD, {**kept, "mode": "target", "flipped": at})
    _keep(kept["spec"], "target")
    _drop_gone(kept["spec"])
    _say(f"set var proc.mode int({MODES.index('target')})")
    if _mode() != "target":
        raise RuntimeError("the front does not say that it leads to the target")


def flipped() -> float:
    """When the first call could go to the target, by this host's clock; 0 where none could."""
    kept = record.load(RECORD) or {}
    return float(kept.get("flipped", 0.0)) if kept.get("mode") == "target" else 0.0


def open_again() -> None:
    """Calls pass as before `close`; nothing where it leads to the target.

    A full disk does not keep it closed.
    """
    kept = record.load(RECORD)
    if kept is None or kept["mode"] == "target" or (kept["mode"] == "open" and not _is_shut()):
        return
    _filter(kept["spec"], "open")
    if _mode():
        _drop_gone(kept["spec"])
        _say("set var proc.mode int(0)")
        _say(f"set var proc.hold int({_hold(kept['spec'])})")
    systemd.run("systemctl", "disable", "--quiet", UNIT, check=False)
    try:
        _keep(kept["spec"], "open")
        record.save(RECORD, {"spec": kept["spec"], "mode": "open"})
    except OSError as error:
        if error.errno not in disk.FULL:
            raise


def heard(sign: str) -> dict[str, list[Any]]:
    """What a user and a host of the cloud hear at each place who want to write, by calls made here.

    {"at": [["10.0.0.10", 8774]], "stranger": ["closed"], "own": ["open"]}, see `knock.py`.
    """
    kept = record.load(RECORD)
    at = [(address, port) for address, port in kept["spec"]["heard"]] if kept else []
    return {
        "at": [[*one] for one in at],
        "stranger": knock.each(at, sign, STRANGER, WRITES),
        "own": knock.each(at, sign, "127.0.0.1", WRITES),
    }


def served_by(units: "dict[str, list[str]]") -> list[str]:
    """Those names in *units* of which any of their units listens here."""
    return [name for name, those in units.items() if sockets.held(systemd.members(those))]


def end_bypassing(seconds: float) -> list[str]:
    """End each connection that passes it by, while it is idle; those left, for people."""
    kept = record.load(RECORD)
    if kept is None:
        return []
    deadline = time.monotonic() + seconds
    while True:
        left = bypassing.end(kept["spec"]["heard"], SOURCE, _pids(), idle=True)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def leave() -> None:
    """No trace of it; calls in it have a while to end. Safe to repeat."""
    with record.locked():
        if kept := record.load(RECORD):
            _leave(kept)
            record.forget(RECORD)


def _leave(kept: dict[str, Any]) -> None:
    systemd.run("nft", "delete", "table", "ip", TABLE, check=False)
    deadline = time.monotonic() + ENDED
    for pid in _pids():
        os.kill(pid, signal.SIGUSR1)
    while _pids() and time.monotonic() < deadline:
        time.sleep(0.05)
    systemd.run("systemctl", "disable", "--quiet", "--now", UNIT, check=False)
    if disk.remove(f"{systemd.UNITS}/{UNIT}"):
        systemd.run("systemctl", "daemon-reload")
    shutil.rmtree(FOLDER, ignore_errors=True)


def _pids() -> list[int]:
    return sorted(systemd.members([UNIT]))


def _hold(spec: dict[str, Any]) -> str:
    """For how long calls are held, in ms, by the configuration of *spec*."""
    found = re.search(r"proc\.hold int\((\d+)\)", spec["config"])
    return found[1] if found else "0"


def _keep(spec: dict[str, Any], mode: str, *, holds: bool = True) -> None:
    """What a boot would begin with."""
    text = re.sub(r"(proc\.mode int)\(\d\)", rf"\1({MODES.index(mode)})", spec["config"])
    text = text if holds else re.sub(r"(proc\.hold int)\(\d+\)", r"\1(0)", text)
    disk.write(CONFIG, text, 0o600)
    disk.write(RULES, _rules(spec, mode), 0o600)


def _filter(spec: dict[str, Any], mode: str) -> None:
    systemd.run("nft", "-f", "-", stdin=_rules(spec, mode))


def _rules(spec: dict[str, Any], mode: str) -> str:
    return _table(spec["heard"], spec["ports"], spec["beat"], shut=mode != "open")


def _table(heard: list[Any], ports: dict[str, int], beat: int, *, shut: bool = False) -> str:
    """One transaction, in place of what was.

    While it passes the rule holds only as long as its beat is heard; closed, what it does not take
    is refused.
    """
    at = ", ".join(f"{address} . {port}" for address, port in heard)
    to = ", ".join(f"{port} : {own}" for port, own in ports.items())
    own = ", ".join(map(str, ports.values()))
    alive = "" if shut else "meta l4proto != @alive return"
    refuse = "ip daddr . tcp dport @heard reject with tcp reset" if shut else ""
    return f"""table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  set heard {{ type ipv4_addr . inet_service; elements = {{ {at} }} }}
  set alive {{
    type inet_proto; flags dynamic,timeout; timeout 2s; elements = {{ tcp timeout 2s }}
  }}
  chain front {{
    type filter hook prerouting priority mangle; policy accept;
    ip saddr {SOURCE} return
    iifname != "lo" tcp dport {{ {own} }} drop
    {alive}
    ip daddr . tcp dport @heard tproxy to :tcp dport map {{ {to} }} accept
    {refuse}
  }}
  chain beat {{
    type filter hook output priority mangle; policy accept;
    ip saddr {SOURCE} tcp dport {beat} tcp flags & (syn|ack) == syn \
      update @alive {{ meta l4proto timeout 2s }}
  }}
}}
"""


def _is_shut() -> "bool | None":
    """Whether the rule lets nothing past it; None where there is no rule."""
    text = systemd.run("nft", "list", "table", "ip", TABLE, check=False)
    return "reject" in text if text else None


def _mode() -> str:
    """What it does, by its own word; "" where it does not answer."""
    try:
        said = _say("get var proc.mode")
    except OSError:
        return ""
    found = re.search(r"value=<(\d+)>", said)
    return MODES[int(found[1])] if found else ""


def _drop_gone(spec: dict[str, Any]) -> None:
    """End each held call whose client has gone: HAProxy would find out when it is made."""
    ports = " or ".join(f"sport = :{port}" for port in spec["ports"])
    told = systemd.run("ss", "-Htn", "state", "established", f"( {ports} )")
    live = {line.split()[-1] for line in told.splitlines()}
    for name, caller, port in SESSION.findall(_say("show sess")):
        if port in spec["ports"] and caller not in live:
            _say(f"shutdown session {name}")


def _carried(kinds: "tuple[str, ...]") -> int:
    """How many calls of *kinds* it carries to the operator's proxy now."""
    rows = [line.split(",") for line in _say("show stat").splitlines()]
    those = [row for row in rows if row[0].startswith(kinds) and row[1:2] == ["BACKEND"]]
    return sum(int(row[2] or 0) + int(row[4] or 0) for row in those)


def _await() -> None:
    deadline = time.monotonic() + STARTED
    while not _mode():
        if time.monotonic() > deadline:
            said = systemd.run("journalctl", "-u", UNIT, "-n", "3", "-o", "cat")
            raise RuntimeError(f"the front does not start: {said.strip()}")
        time.sleep(0.05)


def _say(command: str) -> str:
    """What its socket answers to *command*."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(SOCKET)
        line.sendall(f"experimental-mode on; {command}\n".encode())
        answer = b""
        while data := line.recv(65536):
            answer += data
    return answer.decode()


def _refused(*argv: str, stdin: str = "") -> str:
    """What *argv* says where it fails, in one line; "" where it does not."""
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, check=False)
    return " ".join(done.stderr.split())[-300:] if done.returncode else ""

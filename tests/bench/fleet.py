"""Many real sshd's on this machine, asked the same by `hosts.gather` and by Ansible, in one run.

    python -m tests.bench.fleet [hosts [commands]]

Each host is an sshd of its own on a loopback address. Both begin without a connection and run the
same commands, one after the other on each host, as root. Ansible may have as many forks as there
are hosts, sends its modules through its pipeline, and is told which Python there is; `raw` runs the
command alone, `command` is what people use. It is installed once, in a folder of the bench's own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from migrate.cloud import hosts
from migrate.cloud.host import Host, SshHost
from tests.integration import sshd

PINNED = "ansible-core==2.19.14"
COMMAND = "uname -n"
TIMES = 3  # faster than Ansible, which this ends with 1 without


def ansible() -> Path:
    """The programs of Ansible."""
    folder = Path(tempfile.gettempdir(), f"sidestep-bench-{PINNED}")
    if not (folder / "bin/ansible-playbook").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", PINNED], check=True)
    return folder / "bin"


@contextmanager
def fleet(folder: Path, count: int) -> Iterator[list[str]]:
    """Addresses of *count* sshd's, which share their keys."""
    for name in ("key", "host_key"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    Path("/run/sshd").mkdir(exist_ok=True)
    addresses = [f"127.0.{78 + n // 250}.{1 + n % 250}" for n in range(count)]
    public = " ".join((folder / "host_key.pub").read_text().split()[:2])
    known = "".join(f"[{address}]:{sshd.PORT} {public}\n" for address in addresses)
    (folder / "known_hosts").write_text(known)
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    servers = []
    try:
        for address in addresses:
            argv = [program, "-D", "-e", "-f", "/dev/null", *sshd.options(folder, address)]
            argv += ["-o", f"SetEnv=HOME={folder}"]  # what root's shell reads is not measured
            servers.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        for address in addresses:
            sshd.await_answer(address)
        yield addresses
    finally:
        for one in servers:
            one.terminate()
        for one in servers:
            one.wait()


def ours(folder: Path, addresses: list[str], commands: int) -> None:
    key, trusted = folder / "key", folder / "known_hosts"
    known = [
        SshHost(one, one, user="root", port=sshd.PORT, key=key, known_hosts=trusted)
        for one in addresses
    ]

    def ask(host: Host) -> list[str]:
        return [host.run(*COMMAND.split()) for _ in range(commands)]

    try:
        answers = hosts.gather(known, ask)
    finally:
        for host in known:
            host.close()
    assert [len(one) for one in answers] == [commands] * len(addresses)


def theirs(folder: Path, addresses: list[str], commands: int, module: str) -> None:
    inventory, play = folder / "inventory", folder / "play.yml"
    inventory.write_text("\n".join(addresses))
    tasks = [{f"ansible.builtin.{module}": COMMAND, "changed_when": False}] * commands
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    once = tempfile.mkdtemp(dir=folder)  # no connection of before
    ssh = f"-o ControlMaster=auto -o ControlPersist=15 -o UserKnownHostsFile={folder}/known_hosts"
    settings = {
        "ANSIBLE_HOME": once,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": once,
        "ANSIBLE_SSH_ARGS": ssh,
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_REMOTE_PORT": str(sshd.PORT),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
    }
    argv = [str(ansible() / "ansible-playbook"), "-i", str(inventory), "-f", str(len(addresses))]
    argv += ["-u", "root", "--private-key", str(folder / "key"), str(play)]
    with subprocess.Popen(
        argv,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as play_book:
        try:
            told, _ = play_book.communicate()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(play_book.pid, signal.SIGKILL)  # its forks, too
    if play_book.returncode:
        raise SystemExit(f"Ansible: {told.decode(errors='replace')[-1000:]}")


def main(count: int, commands: int) -> None:
    ansible()
    took = {}
    with tempfile.TemporaryDirectory(prefix="fleet") as home, fleet(Path(home), count) as addresses:
        acts = {
            "hosts.gather": lambda: ours(Path(home), addresses, commands),
            "Ansible raw": lambda: theirs(Path(home), addresses, commands, "raw"),
            "Ansible command": lambda: theirs(Path(home), addresses, commands, "command"),
        }
        print(f"{count} sshd's, {commands} times `{COMMAND}` each, {PINNED}")
        for name, act in acts.items():
            began, load = time.monotonic(), os.getloadavg()[0]
            act()
            took[name] = time.monotonic() - began
            ratio = took[name] / took["hosts.gather"]
            print(
                f"  {name:16} {took[name]:6.1f} s  {ratio:4.1f} times ours, load {load:.1f} before"
            )
    slow = [
        name
        for name in acts
        if name != "hosts.gather" and took[name] < TIMES * took["hosts.gather"]
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  our process held at most {peak:.0f} MB")
    if slow:
        sys.exit(f"less than {TIMES} times faster than {', '.join(slow)}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no sshd is left behind
    given = [int(one) for one in sys.argv[1:]]
    main(given[0] if given else 200, given[1] if given[1:] else 3)

"""Somebody who comes to Ceph's gateways from this host, as clients do: by S3, with keys of his own.

He is noted first, and goes with all that is his.
"""

import base64
import hmac
import http.client
import os
import secrets
from email.utils import formatdate
from typing import Any

from migrate.onhost import gateway, record

NOTE = "ceph-gateway-visitor"
ANSWER_SECONDS = 30
OBJECT = 5 * 2**20  # more than the head of an object holds

Address = Any  # [host's address, port]


def answers(at: Address) -> bool:
    """Whether a gateway answers there who comes without a key."""
    try:
        _ask("GET", at, "/", ("", ""))
    except (OSError, http.client.HTTPException):
        return False
    return True


def objects(id_: str, keyring: str, ats: list[Address]) -> str:
    """Put an object through each gateway and read it through all, as a user made by *id_*.

    What went wrong, as a sentence; "" if nothing. The user goes, with all that is its own.
    """
    leave()
    name = f"sidestep-{secrets.token_hex(6)}"
    ours = {"user": name, "id": id_, "keyring": keyring}
    record.save(NOTE, ours)
    try:
        asked = ("user", "create", f"--uid={name}", f"--display-name={name}")
        (key,) = gateway.admin(id_, keyring, *asked)["keys"]
        return _exchanged(name, (key["access_key"], key["secret_key"]), ats)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        leave()


def _exchanged(bucket: str, login: tuple[str, str], ats: list[Address]) -> str:
    _ask("PUT", ats[0], f"/{bucket}", login)
    for place, at in enumerate(ats):
        name, content = f"/{bucket}/{place}", os.urandom(OBJECT)
        _ask("PUT", at, name, login, content)
        for other in ats:
            if _ask("GET", other, name, login) != content:
                return f"{_told(other)} gives another object than {_told(at)} was given"
    return ""


def leave() -> None:
    """Remove the user whom `objects` has made, also one of a run that was killed."""
    ours = record.load(NOTE)
    if ours is None:
        return
    login, name = (ours["id"], ours["keyring"]), ours["user"]
    if name in gateway.admin(*login, "user", "list"):
        gateway.admin(*login, "user", "rm", f"--uid={name}", "--purge-data")
    record.forget(NOTE)


def _ask(method: str, at: Address, path: str, login: tuple[str, str], body: bytes = b"") -> bytes:
    """What the gateway answers; OSError where it refuses. Signed the old way: it is short."""
    key, secret = login
    date = formatdate(usegmt=True)
    text = f"{method}\n\n\n{date}\n{path}".encode()
    signature = base64.b64encode(hmac.new(secret.encode(), text, "sha1").digest()).decode()
    headers = {"Date": date, "Authorization": f"AWS {key}:{signature}"} if key else {}
    connection = http.client.HTTPConnection(at[0], at[1], timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise OSError(f"{_told(at)} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        said = content[:200].decode(errors="replace")
        raise OSError(f"{_told(at)} answers {answer.status} to {method}: {said}")
    return content


def _told(at: Address) -> str:
    return f"the gateway at {at[0]}:{at[1]}"

"""Files of TLS: read on the source, put on the target, taken away when going back."""

import base64
import glob
import os

from migrate.onhost import disk, record, undo

NOTE = "certificates"


def read(paths: list[str], bases: dict[str, str]) -> dict[str, str]:
    """The files of `listed`, in base64."""
    return {path: disk.encoded(path) for path in listed(paths, bases)}


def listed(paths: list[str], bases: dict[str, str]) -> list[str]:
    """The files at *paths*, in folders and lists that they name, and beside them.

    *bases* are the folders of relative paths in a list, by the word before them: "crt", "ca-file".
    """
    found: set[str] = set()
    for path in paths:
        found |= _around(path, bases)
    return sorted(found)


def _around(path: str, bases: dict[str, str]) -> set[str]:
    if os.path.isdir(path):
        return {one for one in glob.glob(f"{glob.escape(path)}/*") if os.path.isfile(one)}
    # a key, an OCSP answer or an issuer lies beside its certificate: a.pem.key, or a.key of a.crt;
    # a pair of certificates has only files beside it: a.pem.rsa, a.pem.ecdsa
    stems = {path, path[: -len(".crt")] if path.endswith(".crt") else path}
    beside = {one for stem in stems for one in glob.glob(f"{glob.escape(stem)}.*")}
    found = {one for one in beside if os.path.isfile(one)}
    if found and not os.path.exists(path):
        return found
    found.add(path)
    text = disk.text(path)
    if "-----BEGIN" not in text:
        for entry in _entries(text, bases):
            if not os.path.isabs(entry):
                raise RuntimeError(f"{path} names {entry}: write its whole path there")
            found |= _around(entry, bases)
    return found


def _entries(text: str, bases: dict[str, str]) -> set[str]:
    """The files that a crt-list names: a line is `a.pem [ca-file b.pem alpn h2] a.example`."""
    found = set()
    for line in text.splitlines():
        words = line.split("#")[0].replace("[", " [ ").replace("]", " ] ").split()
        for word, path in zip(["crt", *words], words):
            if word in bases and not path.startswith("@"):
                found.add(os.path.join(bases[word], path))
    return found


def put(files: dict[str, str]) -> None:
    """Write *files* for root alone; what was there is noted first, once, each by itself."""
    with record.locked():
        undo.note(NOTE, [one for path in files for one in (*undo.folders(path), undo.file(path))])
        for path, text in files.items():
            os.makedirs(os.path.realpath(os.path.dirname(path)), mode=0o755, exist_ok=True)
            disk.write(path, base64.b64decode(text).decode(errors="surrogateescape"), 0o600)


def same(files: dict[str, str]) -> bool:
    """Whether *files* are here, byte for byte."""
    try:
        return all(disk.encoded(path) == text for path, text in files.items())
    except OSError:
        return False


def give_back() -> None:
    """Everything as it was before `put`: files, and folders that were made for them."""
    undo.undo(NOTE)

"""A service's secrets, opened by its own code: run by the Python that has it."""

import importlib
from typing import Any


def opened(module: str, key: str, kept: list[list[str]]) -> list[str]:
    """Each of *kept*, a method and a text, by *key*, "" for its own; "" where it cannot be."""
    crypt: Any = importlib.import_module(module)
    return [_opened(crypt, key, *one) for one in kept]


def _opened(crypt: Any, key: str, method: str, text: str) -> str:
    try:
        return str(crypt.decrypt(method, text, key or None) or "")
    except Exception:  # of the service's own kinds, and of the library's below it
        return ""

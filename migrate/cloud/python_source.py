"""Settings that are Python, parsed: one at a time."""

import ast
import threading

# CPython keeps one depth for all threads (seen in 3.11.7: "AST constructor recursion depth
# mismatch"); the checks are threads
_ONE_AT_A_TIME = threading.Lock()


def parsed(text: str) -> ast.Module:
    """The tree of *text*; SyntaxError where it is no Python."""
    with _ONE_AT_A_TIME:
        return ast.parse(text)

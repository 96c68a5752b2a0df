"""Whether a release accepts a value: its validator looks at names only."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self

BOOLEANS = {"true", "1", "on", "yes", "false", "0", "off", "no"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the release's metadata say of an option's values."""

    type: str = "string value"  # in the generator's words
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: Any) -> Self:
        """From `[type, min, max, choices]`, or a type alone."""
        if isinstance(told, str):
            return cls(told)
        type_, low, high, choices = told
        return cls(str(type_), low, high, tuple(str(one) for one in choices))

    def refuses(self, value: str) -> str:
        """What is wrong with *value*, without telling it; empty where nothing is.

        A value with a reference to another option is not judged.
        """
        if "$" in value:
            return ""
        if self.type in _NUMBERS:
            return self._number(value, _NUMBERS[self.type])
        if self.type == "boolean value":
            return "" if value.strip().lower() in BOOLEANS else "is neither true nor false"
        if self.type == "ip address value":
            return "" if _is_address(value.strip()) else "is no address"
        if self.choices and self.type == "string value" and not self._offers(value):
            return f"is none of {', '.join(one or '(nothing)' for one in self.choices)}"
        return ""

    def _offers(self, value: str) -> bool:
        # the metadata do not say which options ignore the case of letters: none is refused for it
        return value.lower() in {one.lower() for one in self.choices}

    def _number(self, value: str, convert: Callable[[str], float]) -> str:
        if not value.strip():
            return ""  # oslo.config takes it as not set
        try:
            number = convert(value.strip())
        except ValueError:
            return f"is no {self.type.removesuffix(' value')}"
        if self.low is not None and number < self.low:
            return f"is less than {self.low:g}"
        if self.high is not None and number > self.high:
            return f"is more than {self.high:g}"
        return ""


_NUMBERS: dict[str, Callable[[str], float]] = {
    "integer value": int,
    "port value": int,
    "floating point value": float,
}


def _is_address(value: str) -> bool:
    try:
        return bool(ip_address(value))
    except ValueError:
        return False

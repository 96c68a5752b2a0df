"""An OpenStack ini file that is edited without touching what nobody asked to change.

Repeated options (multi-valued ones), comments, order and spacing survive, because a file is kept as
its own lines; every option knows its line. The grammar is oslo.config's: `=` or `:` separates, an
indented line goes on with the value before it, `#` and `;` begin a comment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

LINE = re.compile(r"[^\n]*\n|[^\n]+")  # Python knows more ends of a line: they may be in passwords
HEADING = re.compile(r"\[(.+)\]")
OPTION = re.compile(r"(?![\s\[#;=:])([^=:]+)[=:]")


class Kind(Enum):
    """What a line is."""

    SECTION = "section"
    OPTION = "option"
    OTHER = "other"  # comments and blank lines
    BROKEN = "broken"  # oslo.config would refuse the file for it


@dataclass(slots=True)
class Line:
    """One logical line: `text` is as written, with continuations and the end of line."""

    number: int
    kind: Kind
    text: str
    section: str = "DEFAULT"
    name: str = ""
    value: str = ""

    @property
    def written(self) -> str:
        """The option's name letter by letter: oslo.config finds no `my-ip` when asked for `my_ip`.

        `name` has no hyphens, for those are known under old names that had them.
        """
        found = OPTION.match(self.text)
        return found[1].strip() if found else ""


@dataclass(slots=True)
class Ini:
    """The lines of a file, in order."""

    lines: list[Line] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Self:
        ini, section, last = cls(), "", None
        for number, raw in enumerate(LINE.findall(text), 1):
            stripped = raw.strip()
            if raw[:1] in {" ", "\t"} and stripped and last is not None:
                last.text += raw
                last.value += "\n" + stripped
                continue
            last = None
            if not stripped or stripped[0] in "#;":
                line = Line(number, Kind.OTHER, raw, section or "DEFAULT")
            elif heading := HEADING.fullmatch(raw.rstrip()):
                section = canonical(heading[1])
                line = Line(number, Kind.SECTION, raw, section)
            elif option := section and OPTION.match(raw):
                value = raw[option.end() :].strip()
                if value[:1] in {'"', "'"} and value[0] == value[-1]:
                    value = value[1:-1]
                name = option[1].strip().replace("-", "_")
                line = last = Line(number, Kind.OPTION, raw, section, name, value)
            else:
                line = Line(number, Kind.BROKEN, raw, section or "DEFAULT")
            ini.lines.append(line)
        return ini

    def text(self) -> str:
        """The file as it stands now."""
        return "".join(line.text for line in self.lines)

    def options(self) -> Iterator[Line]:
        """Every option line, repeats too."""
        return iter([line for line in self.lines if line.kind is Kind.OPTION])

    def broken(self) -> list[Line]:
        """Lines that are neither options, sections nor comments."""
        return [line for line in self.lines if line.kind is Kind.BROKEN]

    def position(self, line: Line) -> int:
        """The number of *line* in the file as it stands now."""
        at = next(place for place, one in enumerate(self.lines) if one is line)
        return 1 + sum(one.text.count("\n") for one in self.lines[:at])

    def get(self, section: str, name: str) -> str | None:
        """The value that counts: the last one."""
        found = [
            line.value for line in self.options() if (line.section, line.name) == (section, name)
        ]
        return found[-1] if found else None

    def remove(self, line: Line) -> None:
        """Take *line* out; comments around it stay."""
        self.lines.remove(line)

    def put(self, section: str, name: str, value: str, note: str = "") -> None:
        """Give *name* one value: in place of the first repeat, or at the end of its section."""
        section = canonical(section)
        same = [line for line in self.options() if (line.section, line.name) == (section, name)]
        for repeat in same[1:]:
            self.lines.remove(repeat)
        if same:
            if same[0].value != value:
                _put(same[0], name, value)
            return
        self.add(section, name, value, note)

    def add(self, section: str, name: str, value: str, note: str = "") -> None:
        """Append an option to the end of *section*, with *note* as a comment above it."""
        section = canonical(section)
        fresh = Line(0, Kind.OPTION, "", section)
        _put(fresh, name, value)
        remark = [Line(0, Kind.OTHER, f"# {note}\n", section)] if note else []
        self._end_last_line()
        if not any(line.kind is Kind.SECTION and line.section == section for line in self.lines):
            gap = [Line(0, Kind.OTHER, "\n")] if self.lines and self.lines[-1].text.strip() else []
            heading = Line(0, Kind.SECTION, f"[{section}]\n", section)
            self.lines += [*gap, heading, *remark, fresh]
            return
        # after the last thing said in the section's last block, before the blank lines that end it
        inside = [at for at, line in enumerate(self.lines) if line.section == section]
        at = [at for at in inside if self.lines[at].kind in {Kind.OPTION, Kind.SECTION}][-1] + 1
        self.lines[at:at] = [*remark, fresh]

    def rename(self, line: Line, section: str, name: str) -> None:
        """Write *line* under another name, in place where the section is the same."""
        section = canonical(section)
        if section == line.section:
            written = line.text.index(next(mark for mark in line.text if mark in "=:"))
            key = line.text[:written]
            line.text = key.replace(key.strip(), name, 1) + line.text[written:]
            line.name = name
            return
        self.remove(line)
        self.add(section, name, line.value)

    def drop_empty_sections(self, names: set[str]) -> None:
        """Take the headings of *names* out where no option is left below them."""
        full = {line.section for line in self.options()}
        self.lines = [
            line
            for line in self.lines
            if line.kind is not Kind.SECTION or line.section in full or line.section not in names
        ]

    def _end_last_line(self) -> None:
        if self.lines and not self.lines[-1].text.endswith("\n"):
            self.lines[-1].text += "\n"


def canonical(section: str) -> str:
    """How oslo.config compares names of sections: the letters' case counts for DEFAULT only."""
    return section if section == "DEFAULT" else section.lower()


def _put(line: Line, name: str, value: str) -> None:
    first, *more = value.split("\n")
    line.name, line.value = name, value
    line.text = f"{name} = {first}\n" + "".join(f"    {part}\n" for part in more)

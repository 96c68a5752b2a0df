"""Turn the source's files into the target's: pure, text in, text and findings out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from migrate.cloud import addresses
from migrate.cloud.ini import Ini, Line
from migrate.cloud.installation import Installation
from migrate.configuration.options import Options
from migrate.engine.finding import Finding, error, info, warning
from migrate.services.rules import Rules

ROOTWRAP = re.compile(r"(?<![\w/.-])(?:/usr(?:/local)?/bin/)?([a-z]+-rootwrap(?:-daemon)?)(?=\s|$)")
SIDESTEP = "sidestep:"
Tell = Callable[[str, str, str], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aids:
    """All that a translation goes by. `before` is None where the source cannot tell its options."""

    source: str  # the host the files come from, as the stack's file names it
    hostname: str  # as it names itself: cinder and the agents take that for their records
    releases: tuple[str, str]
    installation: Installation
    options: Options
    before: Options | None
    mapping: addresses.Mapping
    rules: Rules


@dataclass(slots=True)
class Translation:
    """Texts by path, as they come out and as they were; and what the operator should know."""

    files: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def translate(files: Mapping[str, str], aids: Aids) -> Translation:
    """Translate the files of one project together: a group may be named in one, told in another."""
    inis = {path: Ini.parse(text) for path, text in files.items()}
    groups = aids.rules.groups(list(inis.values()))
    done = Translation(before=dict(files))
    together = {path: together_with(path, files) for path in files}  # as they came, all of them
    for path, ini in inis.items():
        _File(path, ini, together[path], aids, groups, done.findings).translate()
        done.files[path] = ini.text()
    return done


class _File:
    """One file on its way; findings are added to the list given."""

    def __init__(
        self,
        path: str,
        ini: Ini,
        together: Ini,
        aids: Aids,
        groups: Mapping[str, str],
        findings: list[Finding],
    ) -> None:
        self.path, self.ini, self.aids, self.groups = path, ini, aids, groups
        self.together, self.findings = together, findings
        self.plugins = plugins(together, aids.options, aids.rules)
        self.renamed: dict[tuple[str, str], str] = {}  # what was written anew, from which name

    def translate(self) -> None:
        for line in self.ini.broken():
            self._find(error, line, "is not an option, a section or a comment", "Mend it")
        hosts = self._backend_hosts()
        emptied = set()
        for line in list(self.ini.options()):
            self._map(line)
            if not self._judge(line):
                emptied.add(line.section)
        self.ini.drop_empty_sections(emptied)
        for line in self.ini.options():
            self._weigh(line)
        self._settle()
        for section, option, value in hosts:
            self.ini.put(section, option, value, f"{SIDESTEP} part of every volume's identity")

    def _find(self, tell: Tell, line: Line, message: str, remedy: str) -> None:
        where = f"{self.aids.source}:{self.path}:{line.number}"
        name = f"[{line.section}] {line.name}" if line.name else "the line"
        self.findings.append(tell(f"{name} {message}", remedy, where))

    def _map(self, line: Line) -> None:
        """Put the target's addresses and programs in the place of the source's."""
        rules, mapping = self.aids.rules, self.aids.mapping
        if line.name in rules.identity or line.name.endswith("password"):
            return  # a password that looks like an address is none
        head, mark, written = _split(line)
        fresh = mapping.replaced(written)
        if rules.own_host and (line.section, line.name) == ("DEFAULT", "host"):
            fresh = fresh.replace(line.value, mapping.names.get(line.value, line.value))
        fresh = ROOTWRAP.sub(lambda named: self.aids.installation.tool(named[1]), fresh)
        if fresh != written:
            line.value = Ini.parse(f"[x]\nx = {fresh.lstrip()}").lines[1].value
            line.text = head + mark + fresh
        for address in mapping.unmapped(fresh):
            self._find(
                error,
                line,
                f"names {address} of {self.aids.source}, which has no counterpart on the target",
                "Give the target controller an address in that network, or name the virtual IP",
            )

    def _judge(self, line: Line) -> bool:
        """Keep, rename or drop *line*; False when its section may be empty now."""
        options, (old, new) = self.aids.options, self.aids.releases
        section, name = line.section, line.name
        plugin = self.plugins.get(section)
        if options.has(section, name, self.groups) or (
            plugin is not None and options.plugin_has(name, plugin)
        ):
            return True
        if successor := options.successor(section, name, self.groups):
            return self._rename(line, *successor)
        if remedy := self.aids.rules.remedy(section, name):
            self._find(info, line, f"is gone in {new} and was left out", remedy)
        elif self._was_known(line):
            self._find(
                warning,
                line,
                f"was read by {old}, is gone in {new} and was left out",
                f"Read {new}'s release notes for what replaces it",
            )
        else:
            self._find(
                warning,
                line,
                f"is known neither to {old} nor to {new} and was kept",
                "Correct the spelling, or install on the target what reads it",
            )
            return True
        self.ini.remove(line)
        return False

    def _weigh(self, line: Line) -> None:
        """Tell of a value that the release refuses: the service would not start with it."""
        kind = self.aids.options.kind(line.section, line.name, self.groups)
        if kind and (wrong := kind.refuses(line.value)):
            new = self.aids.releases[1]
            remedy = f"Give it a value that {new} takes, in the source's file"
            self._find(error, line, f"has a value that {new} refuses: it {wrong}", remedy)

    def _was_known(self, line: Line) -> bool:
        before = self.aids.before
        if before is None:
            return True
        return before.has(line.section, line.name, self.groups) or (
            before.successor(line.section, line.name, self.groups) is not None
        )

    def _rename(self, line: Line, section: str, name: str) -> bool:
        shown = f"[{section}] {name}"
        new = self.aids.releases[1]
        old = f"{line.section} {line.name}"
        there = any((o.section, o.name) == (section, name) for o in self.ini.options())
        # repeats of one option all go over; another old name of the same new one does not
        if there and self.renamed.get((section, name)) != old:
            message = f"is {shown} in {new}, set too: left out"
            self._find(info, line, message, "Nothing to do")
            self.ini.remove(line)
            return False
        self._find(info, line, f"is written as {shown} for {new}", "Nothing to do")
        self.renamed[section, name] = old
        moved = line.section != section
        self.ini.rename(line, section, name)
        return not moved

    def _settle(self) -> None:
        for setting in self.aids.rules.settings:
            # where a folder beside the file says it too, the folder would have its way
            again = any(
                (one.section, one.name) == (setting.section, setting.option)
                for one in self.ini.options()
            )
            if setting.file == self.path or (again and self.path.startswith(f"{setting.file}.d/")):
                note = f"{SIDESTEP} {setting.why}"
                self.ini.put(setting.section, setting.option, setting.value, note)

    def _backend_hosts(self) -> list[tuple[str, str, str]]:
        """What keeps the source's name in the volumes' host: (section, option, value)."""
        rule = self.aids.rules.backend_host
        if rule is None or rule.file != self.path:
            return []
        name = self.together.get("DEFAULT", rule.fallback) or self.aids.hostname
        listed = (self.together.get("DEFAULT", rule.listed) or "").split(",")
        sections = [part.strip() for part in listed if part.strip()]
        unsaid = [s for s in sections if self.together.get(s.lower(), rule.option) is None]
        return [(section, rule.option, name) for section in unsaid]


def together_with(path: str, files: Mapping[str, str]) -> Ini:
    """What *path* and the files that are read with it say: `cinder.conf` and `cinder.conf.d/*`."""
    main = path.rpartition(".d/")[0] or path
    read = [one for one in sorted(files) if one == main or one.startswith(f"{main}.d/")]
    return Ini.parse("\n".join(files[one] for one in read))


def plugins(ini: Ini, options: Options, rules: Rules) -> dict[str, str]:
    """Groups of *ini* that take an authentication plugin's options, each with its plugin's name."""
    groups = {group for group, names in options.known.items() if "auth_type" in names}
    groups |= set(rules.auth_groups)
    groups |= {o.value.lower() for o in ini.options() if o.name == "auth_section"}
    return {
        group: ini.get(group, "auth_type") or ini.get(group, "auth_plugin") or "password"
        for group in groups
    }


def _split(line: Line) -> tuple[str, str, str]:
    at = min(place for mark in "=:" if (place := line.text.find(mark)) >= 0)
    return line.text[:at], line.text[at], line.text[at + 1 :]

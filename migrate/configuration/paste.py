"""Paste pipelines: the release's own are used; what operators added to the source's is told."""

from migrate.cloud.host import Host
from migrate.cloud.ini import Ini, Line
from migrate.configuration import files
from migrate.engine.finding import Finding, warning
from migrate.onhost import call


def findings(source: Host, target: Host, paths: tuple[str, ...]) -> list[Finding]:
    """What pipelines changed by hand on *source* have and those of *target*'s release have not."""
    texts = files.read(source, paths)
    changed = set(texts) - set(call(source, "paste.pristine", sorted(texts)))
    own = files.read(target, sorted(changed))
    return [
        finding
        for path in sorted(changed)
        for finding in compared(f"{source.name}:{path}", texts[path], own.get(path, ""))
    ]


def compared(where: str, text: str, own: str) -> list[Finding]:
    """Filters and applications of *text* whose code *own* never names."""
    factories = {line.value for line in _factories(Ini.parse(own))}
    return [
        warning(
            f"[{line.section}] {line.name} = {line.value} was added to the pipelines by hand, and "
            "the release's own pipelines are used",
            "Add it to the target's file after `migrate follow` if it is still wanted",
            f"{where}:{line.number}",
        )
        for line in _factories(Ini.parse(text))
        if line.value not in factories
    ]


def _factories(ini: Ini) -> list[Line]:
    return [line for line in ini.options() if line.name.startswith("paste.")]

"""What a service's options say: its files together, as its own oslo.config reads them.

The files are read where they stand and judged here, so nothing of OpenStack is needed on either
side, no secret touches a disk, and a text that is on no host yet can be asked as well. That this is
oslo.config's answer is tested against oslo.config itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Template

from migrate.cloud.ini import Ini, canonical
from migrate.errors import PreconditionError

DEFAULT = "DEFAULT"
Defaults = Callable[[], Mapping[str, str]]  # {"state_path": "/var/lib/x", "database.user": "me"}


@dataclass(frozen=True, slots=True)
class Option:
    """An option as a file has it; `value` may refer to other options and may be a secret."""

    section: str
    name: str
    value: str
    where: str  # "/etc/nova/nova.conf:12"

    def __repr__(self) -> str:
        return f"Option({self.where} [{self.section}] {self.name})"


class Values:
    """The options of *texts*, in the order in which the service reads these files.

    *given* are values that the service works out itself where no file sets them, such as `my_ip`;
    *defaults* is asked for the release's own where another option refers to one of those.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        given: Mapping[str, str] | None = None,
        defaults: Defaults = dict,
    ) -> None:
        self._given, self._defaults = given or {}, defaults
        self._every: list[Option] = []
        for path, text in texts.items():
            ini = Ini.parse(text)
            if broken := ini.broken():
                raise PreconditionError(
                    f"{path}:{broken[0].number} is no option, section or comment: oslo.config "
                    "refuses the whole file; mend the line"
                )
            for line in ini.options():
                where = f"{path}:{line.number}"
                self._every.append(Option(line.section, line.written, line.value, where))
        self._options = {(one.section, one.name): one for one in self._every}

    def __iter__(self) -> Iterator[Option]:
        """Every option wherever it stands, also where a later file or line has its say."""
        return iter(self._every)

    def find(self, section: str, name: str) -> Option | None:
        """The option that counts, as it is written: the last file's, and there the last line's."""
        return self._options.get((canonical(section), name))

    def get(self, section: str, name: str) -> str | None:
        """The value that the service sees; PreconditionError where it cannot be known."""
        option = self.find(section, name)
        return None if option is None else self.seen(option)

    def seen(self, option: Option) -> str:
        """The value of *option* with its references filled in."""
        return self._filled(option.value, option.section, (option.where,))

    def _filled(self, value: str, section: str, through: tuple[str, ...]) -> str:
        references = _References(lambda key: self._referred(key, section, through))
        return _Template(value.replace("\\$", "$$")).safe_substitute(references)

    def _referred(self, key: str, section: str, through: tuple[str, ...]) -> str:
        """What `$key` in an option of *section* stands for."""
        group, dot, name = key.partition(".")
        asked = [(group, name)] if dot else [(section, key), (DEFAULT, key)]
        if dot and group == DEFAULT:  # oslo.config knows no group by that name
            asked = []
        # letter by letter, other than a section's name in a file
        option = next((self._options[one] for one in asked if one in self._options), None)
        if option is None and not dot and key in self._given:
            return self._given[key]
        if option is None:
            option = self._default(asked)
        if option is not None and option.where not in through:
            return self._filled(option.value, option.section, (*through, option.where))
        raise PreconditionError(
            f"{through[0]} refers to ${key}, whose value "
            f"{'is itself' if option else 'no file sets'}; write what is meant, and a $ as $$"
        )

    def _default(self, asked: Iterable[tuple[str, str]]) -> Option | None:
        for section, name in asked:
            written = name if section == DEFAULT else f"{section}.{name}"
            if (value := self._defaults().get(written)) is not None:
                return Option(section, name, value, f"the default of {written}")
        return None


class _Template(Template):
    idpattern = r"[_a-z][\._a-z0-9]*"  # oslo.config's own


class _References(dict[str, str]):
    """What a template asks for: an option's value, by its name."""

    def __init__(self, referred: Callable[[str], str]) -> None:
        self._referred = referred

    def __missing__(self, key: str) -> str:
        return self._referred(key)


def read_by(program: str, project: str, main: str, paths: Iterable[str]) -> list[str]:
    """Those of *paths* that *program* reads when nobody tells it otherwise, in its order.

    A program of nova reads nova.conf and its own file beside it, then the folders of both; *main*
    is the file that its project goes by where that has another name (glance-api.conf).
    """
    folder = PurePosixPath(main).parent
    names = list(dict.fromkeys((project, PurePosixPath(main).stem, program)))
    files = [f"{folder}/{name}.conf" for name in names]
    folders = [f"{folder}/{name}.conf.d" for name in (*names, "server")]  # Debian's neutron-server
    there = sorted(paths)
    return [
        *(path for path in files if path in there),
        *(
            path
            for one in folders
            for path in there
            if str(PurePosixPath(path).parent) == one and path.endswith(".conf")
        ),
    ]

"""What the source and the clone answer to the same questions, and what of it differs.

The source serves and changes meanwhile, the clone stands still at an instant. So the source is
asked before the clone is made, after it, and once more beside it: where its own answers differ
nothing is judged. What differs is asked again before it is told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from migrate.cloud import Context, login, side_by_side
from migrate.cloud.api import Api, ApiError
from migrate.cloud.login import ADMIN
from migrate.errors import one_line
from migrate.services import kind, kinds
from migrate.shadow import gate, heads, judging, serving
from migrate.verify import views
from migrate.verify.comparison import Difference
from migrate.verify.listing import Listing, take

LOGIN = "login"  # in place of a kind, where the clone's keystone does not take the token
Tell = Callable[[str], None]


@dataclass
class View:
    """What one user was answered by the clone, beside what the source answers."""

    name: str
    kinds: dict[str, int] = field(default_factory=dict)
    fields: int = 0
    asked: dict[str, int] = field(default_factory=dict)  # by HEAD, and the status
    allowed: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON; each difference with the service that told it."""
        told = [{"service": service_of(one), **asdict(one)} for one in self.differences]
        return {**asdict(self), "differences": told}


def told(one: dict[str, Any], view: str) -> str:
    """A difference of a document, in a line: `image: image 6f1c: name was 'a', is 'b'`."""
    mine = Difference(*(one[name] for name in ("type", "id", "field", "before", "after")))
    who = "" if view == ADMIN else f", as {view}"
    said = one_line(mine, 300)
    if not mine.field and mine.id in ("*", view):
        what = mine.type.replace(f"HEAD {one['service']} ", "HEAD ")
        said = f"{what}: {mine.before} on the source, {mine.after} on the clone"
    return f"{one['service']}: {said}{who}"


def service_of(one: Difference) -> str:
    """Which service *one* is of, as its API is called."""
    known = kind(one.type)
    return heads.service_of(one.type) or (known.service if known else "identity")


def types(context: Context) -> list[str]:
    """The kinds of those services that answer on a clone."""
    asked = {one.recipe.rest.service for one in serving.served(context) if one.recipe.rest}
    return [one.type for one in kinds() if one.service in asked]


def of_source(context: Context, known: dict[str, Listing] | None = None) -> dict[str, Listing]:
    """A sample of each kind, for each view; *known* makes it comparable."""
    names = (ADMIN, *views.users(context))

    def one(name: str) -> Listing:
        return _taken(login.api(context, name=name), name, types(context), known)

    return dict(zip(names, side_by_side.each(one, names), strict=True))


def _taken(
    api: Api, name: str, wanted: Iterable[str], known: dict[str, Listing] | None = None
) -> Listing:
    spoken = known[name].microversions if known else None
    return take(api, everywhere=name == ADMIN, microversions=spoken, types=wanted, sample=True)


def ask(
    context: Context, through: gate.Gate, earlier: Sequence[dict[str, Listing]], tell: Tell
) -> list[View]:
    """Each view of *earlier*, the source's from before the clone and after it, asked of both."""
    before = earlier[0]
    address = context.target.tools.address
    own = {name: login.api(context, name=name) for name in before}
    shadows = {name: gate.api(through, own[name], address) for name in before}
    rests = [one.recipe.rest for one in serving.served(context) if one.recipe.rest]
    found = []
    for name in before:
        view = View(name)
        if refused := _refused(shadows[name]):
            view.differences = [Difference(LOGIN, name, "", "good", refused)]
        else:
            if name == ADMIN:
                _first_calls(context, shadows[name])
            _compare(view, own[name], shadows[name], earlier)
            view.asked, wrong = heads.compare(rests, own[name], shadows[name])
            view.differences += wrong
        who = "as administrator" if name == ADMIN else f"as {name}"
        tell(f"{who}: {sum(view.kinds.values())} answers of {len(view.kinds)} kinds compared")
        found.append(view)
    return found


def _refused(shadow: Api) -> str:
    """Why the clone's keystone does not take the source's token; "" where it does."""
    try:
        shadow.get("identity", "/auth/catalog")
    except ApiError as error:
        return one_line(error, 200)
    return ""


def _first_calls(context: Context, shadow: Api) -> None:
    """An API loads its policies at its first call, which is therefore nobody's but ours."""
    for one in serving.served(context):
        if one.recipe.rest and one.recipe.rest.service in shadow.bases:
            try:
                shadow.short(one.recipe.rest)
            except ApiError:
                continue  # what it says to each kind is told


def _compare(view: View, own: Api, shadow: Api, earlier: Sequence[dict[str, Listing]]) -> None:
    """Asked twice where something differs, of those kinds: what differs both times is told."""
    mine = [one[view.name] for one in earlier]
    whole = [one[ADMIN] for one in earlier]
    wanted: Iterable[str] = sorted({*mine[0].resources, *mine[0].absent})
    for again in (False, True):
        asked = partial(_taken, name=view.name, wanted=wanted, known=earlier[0])
        ours, theirs = side_by_side.each(asked, (own, shadow))
        judged = judging.judge(mine, ours, theirs, whole)
        if not again:
            view.kinds = {type_: len(found) for type_, found in theirs.resources.items()}
            view.fields, view.allowed = judged.fields, judged.allowed
            view.differences = list(judged.differences)
        else:
            still = {judging.place(one) for one in judged.differences}
            view.differences = [one for one in view.differences if judging.place(one) in still]
        if not view.differences:
            return
        wanted = sorted({one.type for one in view.differences})

"""Whether users get answers through the virtual IP: units that run do not say so yet."""

from migrate.cloud import Context, login, wait

SECONDS = 90.0  # two busy cores take 40 s from "active" to the last answer


def unanswered(context: Context, seconds: float = SECONDS) -> list[str]:
    """The services that give no answer, even after *seconds*: `["compute", "volume"]`.

    [] as soon as all in the catalogue have answered as the administrator of clouds.yaml asks them;
    `["identity"]` when nobody can log in.
    """
    return wait.while_any(lambda: _silent(context), seconds)


def _silent(context: Context) -> list[str]:
    try:
        api = login.api(context)
        return [service for service in api.bases if not api.answers(service)]
    except login.LoginError:
        return ["identity"]


def summary(context: Context) -> str:
    """How the source stands after going back, once its users get answers or *SECONDS* are over."""
    silent = unanswered(context)
    if not silent:
        return "the source serves as before"
    return (
        f"the source's data and units are as before, but within {SECONDS:.0f} s no answer came "
        f"through the virtual IP from: {', '.join(silent)}. See their logs on "
        f"{context.source.api.name}"
    )

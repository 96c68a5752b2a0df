"""Servers that the translated files name: the target's own, or told before the window opens."""

from collections.abc import Mapping
from ipaddress import ip_address

from migrate.cloud import Context, named_servers
from migrate.database import defaults
from migrate.engine.finding import Finding, error
from migrate.onhost import call


def findings(context: Context, index: int, texts: Mapping[str, str]) -> list[Finding]:
    """What *texts*, files of target controller *index*, name and would not find there."""
    host = context.target.controllers[index]
    given = call(host, "configured.read", [])["given"]
    known = defaults.by_folder(host, context.recipes, context.installation.tools)
    named = [*named_servers.read(texts, given, known), *named_servers.others(texts, given)]
    if not named:
        return []
    told = call(host, "configured.servers", sorted({one.address for one in named}))
    own = {str(one.address) for one in context.target.virtual_ips} | set(told["own"])
    own |= {one.address for one in context.target.controllers}
    return [
        _finding(f"{host.name}:{one.where}", wrong)
        for one in named
        if (wrong := _wrong(one, set(told["addresses"][one.address]), own, told["ports"]))
    ]


def _wrong(one: named_servers.NamedServer, found: set[str], own: set[str], ports: list[int]) -> str:
    """What is wrong with a server at *found* addresses, for a target with *own* ones."""
    if not found:
        return f"names {one.address}, which the target cannot resolve"
    here = {at for at in found if at in own or ip_address(at.partition("%")[0]).is_loopback}
    if one.kind in named_servers.OTHERS:
        gone = here and one.port not in ports
        return f"names a {one.kind} server that the target does not have" if gone else ""
    if here != found:
        return (
            f"names a {one.kind} at {one.address}, which is neither the target nor its virtual IP"
        )
    return ""


def _finding(where: str, wrong: str) -> Finding:
    path, _, option = where.rpartition(" ")
    remedy = "Name the virtual IP or the controller in the source's file, or set the server up"
    return error(f"{option} {wrong}", remedy, path)

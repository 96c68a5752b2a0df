"""Which rules count for a service, by its own code: run by the Python that has it."""

import importlib
import warnings
from typing import Any


def volumes(names: list[str]) -> dict[str, list[Any]]:
    """Whether cinder knows each of *names*, and its rule, from every file that it reads."""
    warnings.simplefilter("ignore")
    cfg: Any = importlib.import_module("oslo_config.cfg")
    importlib.import_module("cinder.common.config")
    policy: Any = importlib.import_module("cinder.policy")
    cfg.CONF([], project="cinder", version="0")
    policy.init(suppress_deprecation_warnings=True)
    return _rules(policy._ENFORCER, names)


def images(names: list[str]) -> dict[str, list[Any]]:
    """The same of glance."""
    warnings.simplefilter("ignore")
    cfg: Any = importlib.import_module("oslo_config.cfg")
    importlib.import_module("glance.common.config")
    policy: Any = importlib.import_module("glance.api.policy")
    cfg.CONF([], project="glance", prog="glance-api", version="0")
    return _rules(policy.Enforcer(suppress_deprecation_warnings=True), names)


def _rules(enforcer: Any, names: list[str]) -> dict[str, list[Any]]:
    enforcer.load_rules(True)
    return {one: [one in enforcer.registered_rules, str(enforcer.rules.get(one))] for one in names}

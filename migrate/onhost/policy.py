"""Which rules count for cinder, by its own code: run by the Python that has it."""

import importlib
import warnings
from typing import Any


def rules(names: list[str]) -> dict[str, list[Any]]:
    """Whether cinder knows each of *names*, and its rule, from every file that it reads."""
    warnings.simplefilter("ignore")
    cfg: Any = importlib.import_module("oslo_config.cfg")
    importlib.import_module("cinder.common.config")
    policy: Any = importlib.import_module("cinder.policy")
    cfg.CONF([], project="cinder", version="0")
    policy.init(suppress_deprecation_warnings=True)
    enforcer = policy._ENFORCER
    enforcer.load_rules(True)
    known = enforcer.registered_rules
    return {one: [one in known, str(enforcer.rules.get(one))] for one in names}

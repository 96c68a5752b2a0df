"""What the makers of content tell those who check it later."""

from __future__ import annotations

from typing import Any

# "application_credential": {"id", "secret"}, "ec2": {"access", "secret"},
# "servers": {name: {"id", "fixed", "floating"}}
Told = dict[str, Any]

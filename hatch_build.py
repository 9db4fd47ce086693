"""The console script `gatelab` belongs to the clone: a wheel has the library alone, in which it could not run."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CloneScripts(BuildHookInterface):
    """Leaves the scripts out of a wheel that is not an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; `version` is `standard` or `editable`."""
        if version != "editable":
            self.metadata.core.scripts.clear()

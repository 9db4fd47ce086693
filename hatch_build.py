"""The lab belongs to the clone: a wheel has the library alone, without the lab's command and its dependencies."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OF_THE_LIBRARY = ("tensorflow", "gpu", "onnx")  # the extras that a wheel has


class LibraryAlone(BuildHookInterface):
    """Leaves the scripts and the extras of the lab out of a wheel that is not an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; `version` is `standard` or `editable`."""
        if version != "editable":
            self.metadata.core.scripts.clear()
            for extra in set(self.metadata.core.optional_dependencies) - set(OF_THE_LIBRARY):
                del self.metadata.core.optional_dependencies[extra]

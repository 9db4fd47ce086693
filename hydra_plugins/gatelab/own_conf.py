"""The folder `conf` of the current folder, where Hydra finds files of the user beside those of the lab."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class OwnConf(SearchPathPlugin):
    """Appends it to the places where Hydra looks."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        from experiments.config.conf_files import own_folder

        if folder := own_folder():
            search_path.append(provider="own folder", path=f"file://{folder}")

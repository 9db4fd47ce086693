"""From the command line to checked dataclasses: the only door."""

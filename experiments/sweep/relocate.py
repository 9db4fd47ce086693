"""The addresses of a store whose output folder was moved."""

from experiments.tracking import Store
from experiments.tracking.relocation import relocate


def mend(store: Store) -> int:
    """Let a store name its files where they are now. Returns 0.

    Raises:
        UserError: for a store that only its server can change.
    """
    counts = relocate(store)
    for before, count in counts.items():
        print(f"{count} runs had their files in {before}; they are in {store.folder} now")
    if not counts:
        print(f"No run has its files elsewhere than in {store.folder}.")
    return 0

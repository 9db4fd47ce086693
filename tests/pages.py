"""What tests ask of a page in a browser."""


def violations(page) -> list[str]:
    """The rules of accessibility of axe-core (WCAG 2 and good practice; contrast too) that a page breaks, and where."""
    from axe_playwright_python.sync_playwright import Axe

    broken = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {rule['help']}: {node['html']}" for rule in broken for node in rule["nodes"]]

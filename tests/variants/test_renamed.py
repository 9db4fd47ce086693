"""Old names of modules are refused with the new ones."""

import importlib

import pytest

import variants


@pytest.mark.parametrize("module", variants.PLACES)
def test_an_old_module_says_where_it_is(module):
    place = f"variants.{variants.PLACES[module]}"
    with pytest.raises(ModuleNotFoundError, match=f"variants.{module} is called {place} now"):
        importlib.import_module(f"variants.{module}")
    importlib.import_module(place)


def test_an_unknown_module_is_only_unknown():
    with pytest.raises(ModuleNotFoundError, match="No module named 'variants.no_such_module'"):
        importlib.import_module("variants.no_such_module")


def test_every_name_is_exported_once():
    assert len(variants.__all__) == len(set(variants.__all__))
    assert all(hasattr(variants, name) for name in variants.__all__)

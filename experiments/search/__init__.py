"""Choosing settings."""

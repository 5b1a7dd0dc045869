"""Stored settings that make no sense."""

from __future__ import annotations


class SettingsInvalid(ValueError):
    """Settings that can't be read; the message says which and why. Nothing is entered by them."""

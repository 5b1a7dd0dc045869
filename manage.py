#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  An older one may well be tried.
        sys.exit("Autotrader needs Python 3.11 or newer: start it with `make run`, which finds one")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # after the settings name is set

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

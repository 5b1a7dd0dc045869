"""``python -m bench``: measure, print a table, write ``bench.json`` into the data folder.

Each module of ``BENCHES`` has ``run() -> dict[str, float]``: figures by a name that ends in its
unit. They work on an empty database of their own, never on the operator's.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command
from django.db import connections

from config.environment import load_environment, prepare_data_folder

BENCHES = (
    "bench.chart",
    "bench.analysis",
    "bench.cycle",
    "bench.replay",
    "bench.statistics",
    "bench.follow",
    "bench.latency",
)


def main() -> None:
    environment = load_environment()
    prepare_data_folder(environment)
    target = environment.data / "bench.json"
    with tempfile.TemporaryDirectory(prefix="autotrader-bench-") as folder:
        _use_empty_database(folder)
        figures = {name: _measured(name) for name in BENCHES}
        connections.close_all()
    _write(target, figures)


def _use_empty_database(folder: str) -> None:
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "REDIS_URL", "REDIS_URL_FILE"):
        os.environ.pop(name, None)
    os.environ["AUTOTRADER_DATA"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    call_command("migrate", verbosity=0)


def _measured(name: str) -> dict[str, float]:
    # Imported here: a bench may need models, which are there only after the set-up.
    figures: dict[str, float] = import_module(name).run()
    for figure, value in figures.items():
        print(f"{name.removeprefix('bench.'):<10} {figure:<32} {value:>12,.2f}", flush=True)
    return figures


def _write(target: Path, figures: dict[str, dict[str, float]]) -> None:
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "figures": {name.removeprefix("bench."): found for name, found in figures.items()},
    }
    target.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()

"""What a start loads into memory."""

from __future__ import annotations

import os
import subprocess
import sys

from config.environment import BASE_DIR

# Libraries that are kept out: rest_framework loads requests and TA-Lib pandas where they find them,
# and go on without; a module of ours that needed one at the start would break it.
STARTED = """
import os, sys
UNWANTED = ("requests", "urllib3", "pandas")
sys.modules.update(dict.fromkeys(UNWANTED))
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
import config.asgi, config.embedded.server, config.embedded.tasks, config.management.commands.serve
import trading.tasks, trading.wiring
config.asgi.application
from django.urls import get_resolver
get_resolver().url_patterns
for name in UNWANTED:
    del sys.modules[name]
print(*sorted({"openai", "aiogram", "pybit", "pyarrow", "sentry_sdk"} & set(sys.modules)))
"""


def test_start_leaves_out_what_is_used_only_now_and_then() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "AUTOTRADER_DATA": os.environ["AUTOTRADER_DATA"],
    }
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""

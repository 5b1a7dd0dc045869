from __future__ import annotations

from typing import Any

import structlog

from config.celery import app


def test_log_lines_of_a_task_carry_its_id_and_those_after_it_do_not() -> None:
    seen: dict[str, Any] = {}

    @app.task(name="tests.look_at_context")  # type: ignore[untyped-decorator]
    def look() -> None:
        seen.update(structlog.contextvars.get_contextvars())

    look.apply(task_id="abc")
    assert (seen["task_id"], seen["task"]) == ("abc", "tests.look_at_context")
    assert "task_id" not in structlog.contextvars.get_contextvars()

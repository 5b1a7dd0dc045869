"""Asks a simulated model server through the openai package."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from PIL import Image

from tests.simulators.openai.server import OpenAiSim

APIS = ("responses", "chat")
WORDS = """Question G6QT7T. The picture is the chart.
bar|open|high|low|close|volume
-1|99.00|99.80|98.50|99.50|10
0|99.50|101.00|99.40|100.00|12

ATR14|1.0000
EMA20|99.00
EMA50|98.00"""
TRUTH = {
    "chart_id": "ACDE",
    "last_close": 100.0,
    "marker_1": 97.25,
    "marker_2": 92.5,
    "visible_high": 101.0,
    "visible_low": 91.0,
    "high_bar": 0,
    "low_bar": -70,
}


def record(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


PRICE = {"anyOf": [{"type": "number"}, {"type": "null"}]}
SCHEMA = record(
    {
        "question_id": {"type": "string"},
        "chart_id": {"type": "string"},
        "marker_1": PRICE,
        "marker_2": PRICE,
        "observations": {
            "type": "array",
            "items": record({"kind": {"type": "string"}, "text": {"type": "string"}}),
        },
        "direction": {"type": "string", "enum": ["long", "short", "none"]},
        "entry": PRICE,
        "stop": PRICE,
        "target": PRICE,
        "unheard_of": {"type": "boolean"},
    }
)


def picture(width: int = 1152, height: int = 768, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(file, kind)
    return file.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


class Door:
    """One interface of a running simulator, asked through the openai package."""

    def __init__(self, sim: OpenAiSim, api: str, key: str = "sim-key") -> None:
        self.sim = sim
        self.api = api
        self.client = openai.OpenAI(api_key=key, base_url=sim.url, max_retries=0, timeout=10)

    def ask(
        self,
        words: str = WORDS,
        image: str = "",
        *,
        model: str = "sim-tile",
        schema: dict[str, Any] = SCHEMA,
        **more: Any,
    ) -> Any:
        image = image or data_url(picture(64, 64))
        if self.api == "chat":
            return self._complete(words, image, model, schema, more)
        return self._respond(words, image, model, schema, more)

    def text(self, **more: Any) -> str:
        """The answer's text; of an answer that was cut off, its beginning."""
        reply = self.ask(**more)
        if isinstance(reply, Response):
            return reply.output_text
        assert isinstance(reply, ChatCompletion)
        return reply.choices[0].message.content or ""

    def fields(self, **more: Any) -> dict[str, Any]:
        found = json.loads(self.text(**more))
        assert isinstance(found, dict)
        return found

    def _respond(self, words: str, image: str, model: str, schema: Any, more: Any) -> Any:
        parts = [
            {"type": "input_image", "image_url": image, "detail": "high"},
            {"type": "input_text", "text": words},
        ]
        create: Any = self.client.responses.create
        return create(
            model=model,
            instructions="Read the chart.",
            input=[{"role": "user", "content": parts}],
            text={"format": {"type": "json_schema", "name": "x", "strict": True, "schema": schema}},
            store=False,
            **more,
        )

    def _complete(self, words: str, image: str, model: str, schema: Any, more: Any) -> Any:
        parts = [
            {"type": "image_url", "image_url": {"url": image, "detail": "high"}},
            {"type": "text", "text": words},
        ]
        create: Any = self.client.chat.completions.create
        return create(
            model=model,
            messages=[
                {"role": "system", "content": "Read the chart."},
                {"role": "user", "content": parts},
            ],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "strict": True, "schema": schema},
            },
            **more,
        )


def sha_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def planted(sim: OpenAiSim, shade: int = 200) -> str:
    """A picture that the simulator knows, as a data URL."""
    file = io.BytesIO()
    Image.new("L", (64, 64), shade).save(file, "PNG")
    sim.plant(sha_of(file.getvalue()), TRUTH)
    return data_url(file.getvalue())

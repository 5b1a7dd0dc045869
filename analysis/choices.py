"""Kinds, states and grades, with their labels."""

from __future__ import annotations

from exchange.labels import Labelled


class AnalystKind(Labelled):
    TECHNICAL = "technical", "Technical rules"
    OPENAI = "openai", "AI model"


class ApiStyle(Labelled):
    """Which of the two interfaces the server speaks; many compatible ones know only the latter."""

    RESPONSES = "responses", "Responses"
    CHAT = "chat", "Chat Completions"


class ImageFamily(Labelled):
    """How a model takes pictures, which decides the scale they are drawn at."""

    TILE = "tile", "Tiles (1152 x 768)"
    PATCH = "patch", "Patches (1536 x 1024)"


class ImageDetail(Labelled):
    LOW = "low", "low"
    HIGH = "high", "high"
    ORIGINAL = "original", "original"
    AUTO = "auto", "auto"


class ReasoningEffort(Labelled):
    UNSET = "", "not sent"
    MINIMAL = "minimal", "minimal"
    LOW = "low", "low"
    MEDIUM = "medium", "medium"
    HIGH = "high", "high"


class CallPurpose(Labelled):
    CYCLE = "cycle", "Cycle"
    ANALYZE = "analyze", "Asked by hand"
    UPLOAD = "upload", "Uploaded chart"
    EYE_TEST = "eye_test", "Eye test"
    CANARY = "canary", "Canary"
    PROBE = "probe", "Probe"


class CallState(Labelled):
    """RESERVED: paid for in the budget, not sent. SENT: on its way, or its sender died."""

    RESERVED = "reserved", "Reserved"
    SENT = "sent", "Sent"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Answer refused"
    FAILED = "failed", "No answer"
    LATE = "late", "Too late"


class Grade(Labelled):
    """What the eye test allows a profile to do."""

    NONE = "none", "Not passed"
    READER = "reader", "Reader"
    ANALYST = "analyst", "Analyst"
    VOTER = "voter", "Voter"


class ExamState(Labelled):
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Broken off"


class HealthState(Labelled):
    """PAUSED: the server asked for a pause. SAFE: too many failures in a row."""

    OK = "ok", "OK"
    PAUSED = "paused", "Paused"
    SAFE = "safe", "Safe mode"

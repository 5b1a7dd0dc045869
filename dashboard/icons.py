"""Line icons of the console, drawn in a box of 20 x 20 with a stroke of the text's colour."""

from __future__ import annotations

ICONS = {
    "overview": "M3 10h4l2-5 3 10 2-5h3",
    "cycles": "M16 8a6.5 6.5 0 0 0-11.5-2M4 12a6.5 6.5 0 0 0 11.5 2M4.5 2.5V6H8M15.5 17.5V14H12",
    "trades": "M5 3v3m0 6v5M3 6h4v6H3zM15 3v5m0 6v3M13 8h4v6h-4z",
    "bots": "M5 8h10v8H5zM10 8V4M8 4h4M8 12h.01M12 12h.01",
    "analysts": "M2.5 10s2.8-5 7.5-5 7.5 5 7.5 5-2.8 5-7.5 5-7.5-5-7.5-5"
    "M12 10a2 2 0 1 1-4 0 2 2 0 0 1 4 0",
    "funnel": "M3 4h14l-5.5 6.5V16l-3 1.5v-7z",
    "events": "M4 5h12M4 10h12M4 15h8",
    "performance": "M3 16h14M4 12l4-4 3 3 5-6M13 5h3v3",
    "accounting": "M5 3h10v14l-2.5-1.5L10 17l-2.5-1.5L5 17zM8 7h4M8 10h4M8 13h2",
    "connection": "M7 3v4M13 3v4M5 7h10v3a5 5 0 0 1-10 0zM10 15v3",
    "warning": "M10 3l7.5 13h-15zM10 8v4M10 14h.01",
    "kill": "M10 3v7M6 5.5a6.5 6.5 0 1 0 8 0",
    "admin": "M4 6h7M15 6h1M4 14h1M9 14h7M11 6a2 2 0 1 0 4 0 2 2 0 0 0-4 0"
    "M5 14a2 2 0 1 0 4 0 2 2 0 0 0-4 0",
    "more": "M5 10h.01M10 10h.01M15 10h.01",
    "theme": "M10 3.5v13M10 3.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 1 1 0-13",
    "leave": "M8 4H4v12h4M8 10h8M13 7l3 3-3 3",
    "long": "M10 16V4M5 9l5-5 5 5",
    "short": "M10 4v12M5 11l5 5 5-5",
    "risk": "M3 14a7 7 0 0 1 14 0M10 14l4-5M3 16.5h14",
    "shield": "M10 3l6 2v5c0 3.5-2.5 6-6 7-3.5-1-6-3.5-6-7V5zM7.5 10l2 2 3.5-4",
    "alert": "M10 3l7.5 13h-15zM10 8v4M10 14h.01",
    "passed": "M4 10.5l4 4 8-9",
    "failed": "M5 5l10 10M15 5L5 15",
    "none": "M5 10h10",
    "next": "M7 4l6 6-6 6",
    "back": "M13 4l-6 6 6 6",
}

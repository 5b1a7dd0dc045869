"""The results of random runs as a picture, with the strategy's among them."""

from __future__ import annotations

import numpy as np

from trading.backtest.study import RandomStudy

WIDTH, HEIGHT, LEFT, TOP, FOOT = 720, 310, 40, 54, 50
BARS = 41
STYLE = (
    "text{font:13px sans-serif;fill:#57606a}"
    ".bar{fill:#8c959f}.zero{stroke:#57606a;stroke-dasharray:3 3}"
    ".own{stroke:#cf222e;stroke-width:2}.own-text{fill:#cf222e;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#9198a1}.bar{fill:#656c76}}"
)


def distribution_svg(study: RandomStudy, title: str) -> str:
    """A histogram of the random runs' mean R, a dashed line at 0, a red one at the strategy."""
    values = study.runs.mean_r
    low = float(min(values.min(), study.mean_r, 0.0))
    high = float(max(values.max(), study.mean_r, 0.0))
    margin = (high - low) * 0.03 or 0.1
    counts, edges = np.histogram(values, bins=BARS, range=(low - margin, high + margin))
    scale = (WIDTH - 2 * LEFT) / float(edges[-1] - edges[0])
    tall = (HEIGHT - TOP - FOOT) / max(int(counts.max()), 1)
    floor = HEIGHT - FOOT

    def x(value: float) -> float:
        return LEFT + (value - float(edges[0])) * scale

    bars = [
        f'<rect class="bar" x="{x(float(edge)) + 1:.1f}" y="{floor - count * tall:.1f}" '
        f'width="{float(edges[1] - edges[0]) * scale - 2:.1f}" height="{count * tall:.1f}"/>'
        for edge, count in zip(edges[:-1], counts, strict=True)
        if count
    ]
    own = x(study.mean_r)
    anchor = "end" if own > WIDTH / 2 else "start"
    shift = -6 if anchor == "end" else 6
    marked = (float(values.min()), float(np.median(values)), float(values.max()))
    words = f"this profile {study.mean_r:+.3f} R, better than {study.percentile:.1%}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{title}</title><style>{STYLE}</style>",
            f'<text x="{LEFT}" y="20">{title}</text>',
            *bars,
            f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP}" y2="{floor}"/>',
            _mark(x(0), floor + 16, "0 R"),
            f'<line class="own" x1="{own:.1f}" x2="{own:.1f}" y1="{TOP}" y2="{floor}"/>',
            f'<text class="own-text" x="{own + shift:.1f}" y="{TOP - 6}" '
            f'text-anchor="{anchor}">{words}</text>',
            *(_mark(x(value), floor + 36, f"{value:+.2f}") for value in marked),
            "</svg>",
            "",
        ]
    )


def _mark(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{words}</text>'

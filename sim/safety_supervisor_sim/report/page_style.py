"""The style of the report: that of exported pages, and what a report has besides."""

from __future__ import annotations

from typing import Final

from safety_supervisor.export.page_style import STYLE as EXPORTED

STYLE: Final = (
    EXPORTED
    + """
:root { --c0: #1f6fb4; --c1: #b3561e; --c2: #1d7a45; --c3: #8a3ab9; --c4: #b3261e; --c5: #5a6775; --c6: #0f8b8d;
  --c7: #9a7d00; }
@media (prefers-color-scheme: dark) { :root { --c0: #6fb1ea; --c1: #f2a56b; --c2: #6fcf97; --c3: #c79bea;
  --c4: #ff8a80; --c5: #97a5b4; --c6: #5ad1d3; --c7: #e0c65a; } }
@media print { :root { --c0: #1f6fb4; --c1: #b3561e; --c2: #1d7a45; --c3: #8a3ab9; --c4: #b3261e; --c5: #5a6775;
  --c6: #0f8b8d; --c7: #9a7d00; } }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; }
caption { text-align: left; color: var(--soft); padding: 8px 10px 4px; }
thead th, thead th.number { white-space: normal; vertical-align: bottom; }
tbody th { color: var(--ink); font-weight: 500; vertical-align: top; white-space: nowrap; }
td { overflow-wrap: break-word; } td code, td li { overflow-wrap: anywhere; }
td details { margin: 0; min-width: 15em; } td summary { padding: 0; }
.ok { color: var(--good); font-weight: 600; } .not { color: var(--bad); font-weight: 650; }
tr.not th, tr.not td { background: color-mix(in srgb, var(--bad) 9%, transparent); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(310px, 1fr)); gap: 12px; }
.plots figure { margin: 0; }
svg.plot { display: block; width: 100%; height: auto; }
svg.plot text { fill: var(--soft); font-size: 10px; font-family: inherit; }
svg .bar { fill: var(--accent); } svg .beyond { fill: var(--bad); }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 3; }
svg .curve { fill: none; stroke-width: 1.2; }
.c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); } .c3 { stroke: var(--c3); }
.c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); } .c6 { stroke: var(--c6); } .c7 { stroke: var(--c7); }
details { margin-top: 8px; } summary { cursor: pointer; padding: 3px 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 8px 10px; font: .82em/1.45 ui-monospace, "DejaVu Sans Mono", monospace; margin: 6px 0; }
article { margin-top: 22px; } article h3 { margin: 0 0 6px; font-size: 1rem; overflow-wrap: anywhere; }
article img { max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px; }
tr:target th, tr:target td, article:target { background: var(--mark); }
@media print { .wide { overflow: visible; } }
"""
)

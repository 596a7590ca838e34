"""The style of an exported page: light, dark and on paper, without scripts and without anything from elsewhere."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --paper: #f4f6f8; --card: #ffffff; --ink: #1d2733; --soft: #5a6775; --line: #d8dfe6;
  --good: #1d7a45; --bad: #b3261e; --warn: #9a5b00; --mark: #fff4d6; --accent: #1f6fb4; }
@media (prefers-color-scheme: dark) { :root { --paper: #0e1318; --card: #161c23; --ink: #dbe3ec; --soft: #97a5b4;
  --line: #2b3540; --good: #6fcf97; --bad: #ff8a80; --warn: #f2b866; --mark: #3a3116; --accent: #6fb1ea; } }
@media print { :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb;
  --good: #1d7a45; --bad: #b3261e; --warn: #9a5b00; --mark: #f3ecd2; --accent: #1f6fb4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
header p { margin: 0; color: var(--soft); }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 6px 0 10px; overflow-wrap: anywhere; }
h2 { font-size: 1.12rem; margin: 34px 0 10px; padding-bottom: 5px; border-bottom: 1px solid var(--line); }
.lead { font-size: 1.14rem; max-width: 62em; margin: 0 0 18px; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--soft); border-radius: 6px;
  padding: 11px 14px; }
.card h3 { margin: 0 0 3px; font-size: .78rem; letter-spacing: .05em; text-transform: uppercase; color: var(--soft); }
.card p { margin: 0; overflow-wrap: anywhere; }
.card .verdict { font-weight: 650; }
.good { border-left-color: var(--good); } .good .verdict { color: var(--good); }
.bad { border-left-color: var(--bad); } .bad .verdict { color: var(--bad); }
.warn { border-left-color: var(--warn); } .warn .verdict { color: var(--warn); }
dl { display: grid; grid-template-columns: minmax(9em, max-content) 1fr; gap: 4px 18px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 14px 0 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 10px; }
figure img { display: block; width: 100%; height: auto; }
figure.white { background: #fff; }
figcaption { color: var(--soft); font-size: .87rem; margin-top: 6px; }
figure.white figcaption { color: #444; }
.wide { overflow-x: auto; margin-top: 10px; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; }
th, td { text-align: left; vertical-align: top; padding: 5px 10px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
tr.key td { background: var(--mark); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.code { white-space: nowrap; }
.STOP, .REJECT { color: var(--bad); font-weight: 600; }
.LIMIT, .WAIT { color: var(--warn); font-weight: 600; }
.PASS { color: var(--good); }
.state { font-weight: 600; }
code, .hash { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .84em; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
ul { margin: 6px 0; padding-left: 1.3em; }
@media print { main { max-width: none; padding: 0; } h2, .card, figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .wide { overflow: visible; } body { font-size: 10.5pt; } a { color: inherit; } }
"""

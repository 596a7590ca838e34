"""Draw `wiring.svg`: python3 wiring.py > wiring.svg."""

from __future__ import annotations

INK = 'fill="none" stroke="#223" stroke-width="1.4"'
Point = tuple[float, float]


def text(x: float, y: float, words: str, size: int = 11, anchor: str = "start") -> None:
    """Write words; `y` is their base line."""
    weight = ' font-weight="bold"' if size == 14 else ""
    print(f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{weight}>{words}</text>')


def box(x: float, y: float, width: float, height: float, *lines: str) -> None:
    """Draw a part with its name."""
    print(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#eef3fa" stroke="#223" stroke-width="1.4"/>')
    for i, words in enumerate(lines):
        text(x + width / 2, y + height / 2 + 5 + 17 * (i - (len(lines) - 1) / 2), words, 13, "middle")


def wire(*points: Point) -> None:
    """Connect points."""
    print(f'<polyline points="{" ".join(f"{x:g},{y:g}" for x, y in points)}" {INK}/>')


def contact(x: float, y: float, closed: bool, label: str) -> None:
    """Draw a contact, 40 wide, at rest."""
    rest = f"M{x + 30},{y - 12} V{y} h10" if closed else f"M{x + 30},{y} h10"
    print(f'<path d="M{x},{y} h8 l26,{-9 if closed else -12} {rest}" {INK}/>')
    text(x + 20, y - 17, label, anchor="middle")


print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 630" font-family="sans-serif" fill="#112">')
print('<title>Wiring of the emergency-stop device</title><rect width="860" height="630" fill="#fff"/>')

text(20, 28, "The drive's hard-wired stop: needs no controller and no software", 14)
for number, y in ((1, 80), (2, 135)):
    text(20, y + 4, "+24 V")
    wire((60, y), (180, y))
    contact(180, y, True, f"emergency-stop button, contact {number}")
    wire((220, y), (420, y))
    contact(420, y, False, f"relay K{number}, contact 13-14")
    wire((460, y), (660, y))
box(660, 55, 160, 105, "drive", "STO 1, STO 2")

text(20, 205, "Information: two loops of the same button, fed and tested by the controller", 14)
box(360, 225, 130, 330, "ATmega328P", "16 MHz, 5 V")
for number, supply, loop, y in (
    (3, "PC0 (A0) SUPPLY_A", "PD4 (D4) LOOP_A", 250),
    (4, "PC1 (A1) SUPPLY_B", "PD5 (D5) LOOP_B", 325),
):
    text(355, y - 4, supply, anchor="end")
    text(355, y + 36, loop, anchor="end")
    wire((360, y), (40, y), (40, y + 40), (90, y + 40))
    contact(90, y + 40, True, f"button, contact {number}")
    wire((130, y + 40), (360, y + 40))
    text(46, y - 4, "diode, 220 Ω")
    print(f'<rect x="176" y="{y + 44}" width="8" height="14" {INK}/>')
    wire((180, y + 40), (180, y + 44))
    text(190, y + 57, "4.7 kΩ to 0 V")
for pin, name, y in (
    ("PD6 (D6) RESET", "reset button", 420),
    ("PD7 (D7) KEY_AUTO", "key switch", 455),
    ("PB2 (D10) ENABLE_MIDDLE", "enabling switch, middle", 490),
    ("PB3 (D11) ENABLE_PANICKED", "enabling switch, panicked", 530),
):
    text(355, y - 4, pin, anchor="end")
    wire((360, y), (130, y))
    contact(90, y, False, name)
    wire((90, y), (40, y))
wire((40, 420), (40, 545))
text(40, 560, "0 V", anchor="middle")

for pin, y in (("PB0 (D8) RELAY_1", 260), ("PB1 (D9) RELAY_2", 290)):
    text(496, y - 4, pin)
    wire((490, y), (660, y))
box(660, 240, 160, 70, "2 transistors,", "coils K1 and K2")
text(496, 308, "10 kΩ to 0 V on each:")
text(496, 322, "a floating pin is off")
for number, y in ((1, 375), (2, 425)):
    text(496, y - 4, f"PD{number + 1} (D{number + 1}) READ_BACK_{number}")
    wire((490, y), (690, y))
    contact(690, y, True, f"K{number}, mirror contact 21-22")
    wire((730, y), (800, y), (800, 440))
text(800, 455, "0 V", anchor="middle")
for pin, y in (("PD0 RX", 500), ("PD1 TX", 530)):
    text(496, y - 4, pin)
    wire((490, y), (660, y))
box(660, 480, 160, 70, "USB serial adapter", "115200 baud, 8N1")

text(
    20,
    595,
    "Drawn released and without power. Switches to 0 V use the controller's pull-ups: a broken wire reads as open,",
)
text(20, 611, "a broken read-back as a relay that is on. The loops are pulled down: a broken wire reads as pressed.")
print("</svg>")

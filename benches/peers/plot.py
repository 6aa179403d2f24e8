"""Draws horizontal bars with whiskers as SVG, in panels. For the benchmark report; not a plotting library."""

from xml.sax.saxutils import escape

WIDTH, LABEL, RIGHT, ROW, BAR = 860, 270, 130, 30, 18
INK, FAINT, OURS, PEER = "#1f2933", "#d9dee5", "#2f7d4f", "#8a97a8"


def bars(panels):
    """SVG text of panels: [(title, unit, [(name, median, low, high, ours)])], a scale a panel, longest bar first."""
    body, y = [], 0
    for title, unit, rows in panels:
        y += 34
        body.append(_text(16, y, title, size=15, weight=600))
        y += 14
        top, rows = y, sorted(rows, key=lambda row: -row[1])
        room, largest = WIDTH - LABEL - RIGHT, max(row[3] for row in rows)
        step = _step(largest)
        bottom = top + ROW * len(rows)
        tick = 0
        while tick <= largest:
            x = LABEL + room * tick / largest
            body.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{FAINT}"/>')
            body.append(_text(x, bottom + 15, f"{tick:,}", size=11, anchor="middle"))
            tick += step
        body.append(_text(WIDTH - 16, bottom + 15, unit, size=11, anchor="end"))
        for name, median, low, high, ours in rows:
            middle = y + ROW / 2
            body.append(_text(LABEL - 10, middle + 4, name, anchor="end", weight=600 if ours else 400))
            body.append(f'<rect x="{LABEL}" y="{middle - BAR / 2}" width="{room * median / largest:.1f}" '
                        f'height="{BAR}" rx="2" fill="{OURS if ours else PEER}"/>')
            left, right = LABEL + room * low / largest, LABEL + room * high / largest
            body.append(f'<path d="M{left:.1f} {middle - 4}v8M{left:.1f} {middle}H{right:.1f}M{right:.1f} '
                        f'{middle - 4}v8" stroke="{INK}" fill="none"/>')
            body.append(_text(right + 8, middle + 4, f"{median:,.0f}"))
            y += ROW
        y += 30
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" width="{WIDTH}" height="{y + 6}" '
            f'font-family="system-ui, Helvetica, Arial, sans-serif" role="img">\n'
            f'<rect width="{WIDTH}" height="{y + 6}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")


def _step(largest):
    """A round distance of 3 to 7 ticks."""
    power = 10 ** (len(str(int(largest))) - 1)
    return int(next(power * factor / 10 for factor in (2, 5, 10, 20, 50) if largest / (power * factor / 10) <= 7))


def _text(x, y, text, size=13, anchor="start", weight=400):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{INK}">{escape(text)}</text>')

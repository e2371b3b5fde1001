"""Converts the output of `tmux capture-pane -e -p` to SVG: screen.py COLUMNS < SCREEN > FILE

Every word has a fixed position and width, so the grid holds with any font; blocks and lines, whose sizes carry meaning,
are drawn as shapes.
"""

import re
import sys
from html import escape

WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 18, 14, 16
PAGE, INK = "#0e141a", "#e8edf2"
COLOURS = ["#2b3742", "#ff8f85", "#4fd1a1", "#f2b84b", "#56b4e9", "#dd8fbb", "#5fd0d8", "#d3dbe2"]
BRIGHT = ["#8494a3", "#ff8f85", "#4fd1a1", "#f2b84b", "#56b4e9", "#dd8fbb", "#5fd0d8", "#ffffff"]
# The places of a braille character's dots, by the bits of its number.
DOTS = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
PLAIN = {"ink": None, "page": None, "bold": False, "dim": False, "reverse": False}


def indexed(number):
    if number < 16:
        return (COLOURS + BRIGHT)[number]
    if number > 231:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    steps = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#" + "".join(f"{steps[step]:02x}" for step in (number // 36, number // 6 % 6, number % 6))


def restyle(style, codes):
    codes = [int(code or 0) for code in codes.split(";")]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = PLAIN
        elif code in (38, 48):
            kind = codes.pop(0)
            colour = indexed(codes.pop(0)) if kind == 5 else "#" + "".join(f"{codes.pop(0):02x}" for _ in range(3))
            style = {**style, "ink" if code == 38 else "page": colour}
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = {**style, "ink": (BRIGHT if code >= 90 else COLOURS)[code % 10]}
        elif 40 <= code <= 47:
            style = {**style, "page": COLOURS[code % 10]}
        elif code in (39, 49):
            style = {**style, "ink" if code == 39 else "page": None}
        else:
            flags = {1: {"bold": True}, 2: {"dim": True}, 7: {"reverse": True}, 22: {"bold": False, "dim": False},
                     27: {"reverse": False}}
            style = {**style, **flags.get(code, {})}
    return style


def cells(line, style):
    """The characters of a line, each with its style, and the style of the rest of the line."""
    row = []
    for codes, character in re.findall(r"\x1b\[([\d;]*)m|([^\x1b\x0f])", line):
        if character:
            row.append((character, style))
        else:
            style = restyle(style, codes)
    return row, style


def colours(style):
    ink, page = style["ink"] or INK, style["page"]
    return (page or PAGE, ink) if style["reverse"] else (ink, page)


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def rectangle(x, y, width, height):
    return f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"


def drawn(character, x, y):
    """The path of a block or a line, and how opaque it is."""
    if "▁" <= character <= "█":
        # Leaves some room around them: a sparkline stands on the baseline of its row.
        height = (HEIGHT - 4) * (ord(character) - 0x2580) / 8
        return rectangle(x + 0.4, y + HEIGHT - 3 - height, WIDTH - 0.8, height), 1
    if character in "░▒▓":
        return rectangle(x, y + 3, WIDTH, HEIGHT - 6), {"░": 0.25, "▒": 0.5, "▓": 0.75}[character]
    if character in "─┈╌":
        return rectangle(x, y + HEIGHT / 2 - 0.5, WIDTH if character == "─" else WIDTH / 2, 1), 1
    if character in "│┤├":
        tick = {"│": 0, "┤": -WIDTH / 2, "├": WIDTH / 2}[character]
        return rectangle(x + WIDTH / 2, y, 1, HEIGHT) + rectangle(x + WIDTH / 2, y + HEIGHT / 2, tick, 1), 1
    if "⠀" < character <= "⣿":
        return "".join(rectangle(x + column * WIDTH / 2 + 0.4, y + row * HEIGHT / 4 + 0.4, WIDTH / 2 - 0.8, HEIGHT / 4 - 0.8)
                       for bit, (column, row) in enumerate(DOTS) if ord(character) >> bit & 1), 1
    return None


def words(row):
    """The (column, text, style) of each piece of text: of one style, without the blanks between."""
    word = None
    for column, (character, style) in enumerate([*row, (" ", PLAIN)]):
        is_word = character != " " and not drawn(character, 0, 0)
        # Shapes come from fallback fonts, with other widths.
        is_alone = ord(character) > 0x2000
        if word and (not is_word or is_alone or style != word[2]):
            yield word
            word = None
        if is_word:
            word = (word[0], word[1] + character, style) if word else (column, character, style)
            if is_alone:
                yield word
                word = None


def main():
    columns = int(sys.argv[1])
    style, rows = PLAIN, []
    for line in sys.stdin.read().rstrip("\n").split("\n"):
        row, style = cells(line, style)
        rows.append(row)
    while rows and all(character == " " for character, _ in rows[-1]):
        rows.pop()
    width, height = columns * WIDTH + 2 * MARGIN, len(rows) * HEIGHT + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
          f'width="{number(width)}" height="{number(height)}" font-size="{SIZE}" '
          f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace">')
    print(f'<rect width="100%" height="100%" rx="10" fill="{PAGE}"/>')
    for line, row in enumerate(rows):
        y = MARGIN + line * HEIGHT
        paths = {}
        for column, (character, style) in enumerate(row):
            x = MARGIN + column * WIDTH
            ink, page = colours(style)
            if page:
                paths.setdefault((page, 1), []).append(rectangle(x, y, WIDTH, HEIGHT))
            if (path := drawn(character, x, y)):
                opacity = path[1] * (0.6 if style["dim"] else 1)
                paths.setdefault((ink, opacity), []).append(path[0])
        for (colour, opacity), parts in paths.items():
            faint = f' opacity="{number(opacity)}"' if opacity < 1 else ""
            print(f'<path fill="{colour}"{faint} d="{"".join(parts)}"/>')
        for column, text, style in words(row):
            x, base = MARGIN + column * WIDTH, y + 0.72 * HEIGHT
            more = (' font-weight="bold"' if style["bold"] else "") + (' opacity=".6"' if style["dim"] else "")
            print(f'<text x="{number(x)}" y="{number(base)}" textLength="{number(len(text) * WIDTH)}" '
                  f'lengthAdjust="spacingAndGlyphs" fill="{colours(style)[0]}"{more}>{escape(text)}</text>')
    print("</svg>")


main()

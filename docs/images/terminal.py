#!/usr/bin/env python3
"""Makes a picture of a program's output: text on standard input, SVG on standard output.

    pip install rich==15.0.0
    cargo run --release -- demo | python3 docs/images/terminal.py "quorate demo" > docs/images/demo.svg

Lines wider than the picture end in an ellipsis; nothing else is changed.
"""

import io
import re
import sys

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 108
# A window with its own background, legible on light and dark pages: black to white, then the same bright.
COLOURS = [
    (139, 148, 158), (255, 123, 114), (126, 231, 135), (229, 192, 123),
    (121, 192, 255), (210, 168, 255), (118, 227, 234), (201, 209, 217),
]
THEME = TerminalTheme((22, 27, 34), (201, 209, 217), COLOURS, COLOURS)
# rich's own picture, without the fonts that it loads from elsewhere.
FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
FORMAT = FORMAT.replace("Fira Code, monospace", FONTS)
STYLES = [
    (r"^\$ .*", "bold white"),
    (r"^A \d.*", "bold cyan"),
    (r"^  (made|key|signed|verified)\b", "bold"),
    (r"verified by .*", "green"),
    (r"^    warning .*", "yellow"),
    (r"\b0x[0-9a-f]{16,}…?", "black"),
]


def main() -> None:
    command = sys.argv[1]
    lines = [f"$ {command}", *sys.stdin.read().splitlines()]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), legacy_windows=False)
    for line in lines:
        text = Text(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")
        for pattern, style in STYLES:
            text.highlight_regex(re.compile(pattern), style)
        console.print(text, no_wrap=True, crop=True)
    console.print()
    print(console.export_svg(title=command, theme=THEME, code_format=FORMAT, unique_id="quorate"))


if __name__ == "__main__":
    main()

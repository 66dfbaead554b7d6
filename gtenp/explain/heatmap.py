"""How alike each text is to each of the others, as a shaded square: a web page or a picture.

matplotlib draws the pictures. It is imported only here and only when one is asked for.
"""

from __future__ import annotations

import html
import unicodedata
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gtenp.arguments import as_texts
from gtenp.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from gtenp.embedder import Embedder
    from gtenp.engine.kernels import Float32


class Shade(NamedTuple):
    """A cell's background and the ink that can be read on it."""

    terminal: int  # its number among a terminal's 256 colours
    background: str
    ink: Literal["black", "white"]


# From little to much alike; each is darker than the one before, for eyes that see no colour too.
SHADES = (
    Shade(255, "#eeeeee", "black"),
    Shade(189, "#d7d7ff", "black"),
    Shade(153, "#afd7ff", "black"),
    Shade(117, "#87d7ff", "black"),
    Shade(75, "#5fafff", "black"),
    Shade(33, "#0087ff", "black"),
    Shade(26, "#005fd7", "white"),
    Shade(19, "#0000af", "white"),
)


def bounds(scores: Float32) -> tuple[float, float]:
    """The least and the greatest score of two different texts: [N, N], N > 1 -> two numbers.

    >>> bounds(np.array([[1.0, 0.25], [0.5, 1.0]]))
    (0.25, 0.5)
    """
    others = scores[~np.eye(len(scores), dtype=bool)]
    return float(others.min()), float(others.max())


def shade(scores: Float32) -> npt.NDArray[np.int64]:
    """Each score's place in SHADES, which stretch between the bounds: [N, N] -> [N, N].

    A text's score with itself is mostly beyond them, and gets the last shade.

    >>> shade(np.array([[1.0, 0.25], [0.5, 1.0]])).tolist()
    [[7, 0], [7, 7]]
    """
    low, high = bounds(scores)
    share = (scores - low) / (high - low) if high > low else np.ones_like(scores)
    return np.clip(np.rint(share * (len(SHADES) - 1)), 0, len(SHADES) - 1).astype(np.int64)


def numerals(scores: Float32, decimals: int) -> list[list[str]]:
    """The scores as they are shown: [N, N] -> N lists of N, without a minus before zero.

    >>> numerals(np.array([[-0.001, 65.217]]), 2)
    [['0.00', '65.22']]
    """
    return [[f"{score:.{decimals}f}" for score in row] for row in scores.round(decimals) + 0.0]


def cut(text: str, width: int) -> str:
    r"""The text on one line of at most so many columns; an ellipsis tells that there was more.

    >>> cut("a line\nand another", 10)
    'a line an…'
    >>> cut("北京是中国的首都", 7)
    '北京是…'
    """
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    used = fitting = 0  # columns so far; characters that leave one for the ellipsis
    for place, char in enumerate(line, start=1):
        used += columns(char)
        if used > width:
            return f"{line[:fitting]}…" if width > 0 else ""
        if used < width:
            fitting = place
    return line


def columns(line: str) -> int:
    """The columns that a line takes in a fixed pitch: two for CJK, none for combining marks."""
    return sum(
        1 + (unicodedata.east_asian_width(char) in "WF")
        for char in line
        if unicodedata.category(char) not in ("Mn", "Me")
    )


@dataclass(frozen=True)
class HeatMap:
    """How alike texts are, each to each; a notebook shows it as the shaded square."""

    texts: tuple[str, ...]  # N of them
    scores: Float32  # [N, N], the model's similarity × 100

    def _repr_html_(self) -> str:
        return _table(self.scores, self.texts)


def heat_map(embedder: Embedder, texts: Iterable[str]) -> HeatMap:
    """The model's similarity of each text to each. InputError for fewer than two texts."""
    kept = tuple(as_texts("texts", texts))
    if len(kept) < 2:
        raise InputError(f"texts: {len(kept)} to compare; wanted two or more")
    embeddings = embedder.encode(kept)
    return HeatMap(kept, embedder.similarity(embeddings, embeddings) * 100)


def write_html(file: BinaryIO, scores: Float32, texts: Sequence[str], title: str) -> None:
    """A page of its own, which asks for no other file and has the texts whole."""
    page = f"""<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>body {{ font-family: sans-serif; margin: 2em }}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
{_table(scores, texts)}
</body>
</html>
"""
    # A lone surrogate, of an argument that is not UTF-8, becomes a question mark.
    file.write(page.encode("utf-8", errors="replace"))


def _table(scores: Float32, texts: Sequence[str]) -> str:
    """The square as HTML, with its legend and its own styles."""
    shades = "\n".join(
        f".gtenp .s{i} {{ background: {shade.background}; color: {shade.ink} }}"
        for i, shade in enumerate(SHADES)
    )
    heads = "".join(f"<th>{i}</th>" for i in range(1, len(texts) + 1))
    cells = [
        "".join(f'<td class="s{place}">{score}</td>' for place, score in zip(*row, strict=True))
        for row in zip(shade(scores), numerals(scores, 2), strict=True)
    ]
    rows = "\n".join(
        f'<tr><th>{i}</th>{row}<th class="text" dir="auto">{html.escape(text)}</th></tr>'
        for i, (row, text) in enumerate(zip(cells, texts, strict=True), start=1)
    )
    return f"""<style>
.gtenp {{ border-collapse: collapse }}
.gtenp td, .gtenp th {{ padding: 0.4em 0.6em; text-align: right; font-weight: normal }}
.gtenp td {{ font-variant-numeric: tabular-nums }}
.gtenp .text {{ text-align: start; min-width: 20em }}
{shades}
</style>
<p>{_legend(scores)}</p>
<table class="gtenp">
<tr><th></th>{heads}<th></th></tr>
{rows}
</table>"""


def write_picture(
    file: BinaryIO, scores: Float32, texts: Sequence[str], title: str, form: Literal["png", "svg"]
) -> None:
    """The square with its texts on the left; the same scores and texts give the same bytes.

    An SVG keeps its texts as text, for whatever fonts its reader has. Of a PNG, a warning tells
    which characters no font here can draw.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingPackageError(
            f"--{form} draws with matplotlib, and {error.name} is not installed here: "
            "pip install 'gtenp[plot]'"
        ) from error
    labels = [cut(text, 40) for text in texts]
    families, missing = _fonts("".join(labels) + title)
    settings = {"svg.hashsalt": "gtenp", "svg.fonttype": "none", "font.family": families}
    undated = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None}}[form]
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # told below, once
        _square(scores, labels, title).savefig(
            file, format=form, dpi=150, bbox_inches="tight", pad_inches=0.2, metadata=undated
        )
    if missing and form == "png":
        warnings.warn(
            f"no font found here draws {' '.join(missing[:10])}{' …' * (len(missing) > 10)}; "
            "boxes stand in the picture, --svg and --html keep the text",
            stacklevel=2,
        )


def _square(scores: Float32, labels: Sequence[str], title: str) -> Figure:
    """The figure, in units of cells: x from 0 to N, the labels left of it; y from 0 down to N."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    count, places = len(labels), shade(scores)
    cells = numerals(scores, 2 if count <= 16 else 0)
    side = min(0.55, 16 / count)  # a cell's, in inches
    size = min(9.0, side * 72 * 0.8)  # of the labels, in points
    head_size = min(size, 1.4 * side * 72 / (len(str(count)) + 1))
    cell_size = min(size, 1.4 * side * 72 / max(len(cell) for row in cells for cell in row))
    pitch = 0.6 * size / 72 / side  # about a character's width, in cells
    numbers = (len(str(count)) + 1.5) * pitch
    left = max(map(columns, labels)) * pitch + numbers

    figure = Figure(figsize=((left + count) * side, (count + 1) * side))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-left, count), ylim=(count, -1))
    axes.set_axis_off()
    colours = ListedColormap([shade.background for shade in SHADES])
    axes.pcolormesh(
        places, cmap=colours, vmin=0, vmax=len(SHADES) - 1, edgecolors="white", linewidth=2 * side
    )

    def write(x: float, y: float, text: str, **style: Any) -> None:
        """Text as it stands: a dollar sign begins no formula."""
        axes.text(x, y, text, parse_math=False, va="center", **style)

    for i, label in enumerate(labels):
        write(-numbers - 0.2, i + 0.5, label, ha="right", size=size)
        write(-0.2, i + 0.5, str(i + 1), ha="right", size=size)
        write(i + 0.5, -0.4, str(i + 1), ha="center", size=head_size)
    if cell_size >= 4:  # smaller ones nobody reads
        for y, x in np.ndindex(places.shape):
            ink = SHADES[places[y, x]].ink
            write(x + 0.5, y + 0.5, cells[y][x], ha="center", size=cell_size, color=ink)
    write(count, -0.6 - 0.2 / side, title, ha="right", size=11)
    write(count, count + 0.25 / side, _legend(scores), ha="right", size=9)
    return figure


def _legend(scores: Float32) -> str:
    low, high = bounds(scores)
    return f"similarity × 100, shaded from {low:.2f} to {high:.2f}"


def _fonts(text: str) -> tuple[list[str], list[str]]:
    """The font families that draw the text between them, matplotlib's own first, and the characters
    that no font installed here has.
    """
    from matplotlib import font_manager

    def characters(path: str) -> set[str]:
        return set(map(chr, font_manager.get_font(path).get_charmap()))

    families = ["DejaVu Sans"]
    missing = set(text) - characters(font_manager.findfont("DejaVu Sans"))
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: font.fname):
        upright = font.style == "normal" and font.weight in (400, "normal")
        # The last-resort fonts have a box for every character.
        if missing and upright and not font.name.startswith("Last"):
            found = missing & characters(font.fname)
            families += [font.name] if found else []
            missing -= found
    return families, sorted(missing)

import io
import re
import sys
import time
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from click import unstyle
from click.testing import CliRunner
from command_line import run
from places import DATA

from gtenp import Embedder
from gtenp.cli import main
from gtenp.cli.similarity import heat_table
from gtenp.errors import InputError
from gtenp.explain import heatmap

TINY = str(DATA / "tiny")
TEXTS = ["the capital", "quick <b>sort</b> & co.", "hello"]
SCORES = np.array([[100, 8.031, 65.219], [8.031, 100, -2.446], [65.219, -2.446, 100]], np.float32)


# ── the scores ───────────────────────────────────────────────────────────────────────────────────


def test_the_shades_stretch_between_the_least_and_the_greatest_of_different_texts():
    assert heatmap.shade(SCORES).tolist() == [[7, 1, 7], [1, 7, 0], [7, 0, 7]]


def test_a_score_has_the_nearest_shade():
    scores = np.array([[1.0, 0.0], [1.0, 1.0]])
    scores = np.pad(scores, (0, 1), constant_values=9)
    scores[2, :2] = 4 / 7 + 0.06, 4 / 7 + 0.08  # on both sides of the middle between two shades
    scores[0, 2], scores[1, 2] = 0, 1
    assert heatmap.shade(scores)[2].tolist() == [4, 5, 7]


def test_texts_that_are_all_alike_have_one_shade():
    assert heatmap.shade(np.full((3, 3), 100.0)).tolist() == [[7] * 3] * 3


def test_each_shade_is_darker_than_the_one_before_and_its_ink_can_be_read():
    def luminance(colour):  # w3.org/TR/WCAG21, relative luminance
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    lights = [luminance(shade.background) for shade in heatmap.SHADES]
    assert lights == sorted(lights, reverse=True)
    for light, shade in zip(lights, heatmap.SHADES, strict=True):
        contrast = (light + 0.05) / 0.05 if shade.ink == "black" else 1.05 / (light + 0.05)
        assert contrast >= 4.5


def test_a_text_is_cut_to_columns_on_one_line_without_control_characters():
    assert heatmap.cut("as long as this", 15) == "as long as this"
    assert heatmap.cut("longer than this", 15) == "longer than th…"
    assert heatmap.cut("北京是中国的首都", 8) == "北京是…"
    assert heatmap.cut("नी" * 5, 10) == "नी" * 5
    assert heatmap.cut("\x1b[31mred\r\n\tnext\udc80", 40) == "[31mred next"
    assert heatmap.cut("text", 0) == heatmap.cut("text", -3) == ""


def test_a_text_is_cut_in_a_time_that_grows_with_its_length():
    start = time.perf_counter()
    assert heatmap.cut("x" * 1_000_000, 20) == "x" * 19 + "…"
    assert time.perf_counter() - start < 5  # taking off one character after another takes hours


# ── on the terminal ──────────────────────────────────────────────────────────────────────────────


def test_marks_above_and_around_a_letter_take_no_column():
    assert heatmap.columns("e\u0301 2\u20dd 中") == 6


def test_three_texts_make_a_table_of_each_against_each():
    result = run("similarity", "--model", TINY, *TEXTS)
    assert result.exit_code == 0
    embedder = Embedder(TINY)
    embeddings = embedder.encode(TEXTS)
    scores = embedder.similarity(embeddings, embeddings) * 100
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["1", "2", "3"]
    for i, (line, text) in enumerate(zip(lines[1:4], TEXTS, strict=True)):
        assert line == f"{i + 1}{''.join(f'{score:7.2f} ' for score in scores[i])} {text}"
    assert lines[4].startswith(f"{TINY}, 32 dimensions")


def test_the_cells_are_shaded_on_a_colour_terminal_alone():
    arguments = ["similarity", "--model", TINY, *TEXTS]
    coloured = CliRunner().invoke(main, arguments, color=True).stdout.splitlines()[:4]
    plain = run(*arguments).stdout.splitlines()[:4]
    assert "\x1b[37m\x1b[48;5;19m 100.00 \x1b[0m" in coloured[1]
    assert [unstyle(line) for line in coloured] == plain


def lines_of(scores, texts, width):
    return [unstyle(line) for line in heat_table(scores, texts, width)]


def test_a_text_is_cut_where_the_terminal_ends():
    lines = lines_of(SCORES, ["a long text " * 5, "北京是中国的首都" * 5, "short"], 50)
    assert lines == [
        "       1       2       3",
        "1 100.00    8.03   65.22  a long text a long text…",
        "2   8.03  100.00   -2.45  北京是中国的首都北京是…",
        "3  65.22   -2.45  100.00  short",
    ]
    assert all(heatmap.columns(line) <= 50 for line in lines)


def test_scores_that_are_too_many_lose_their_decimals():
    assert lines_of(SCORES, TEXTS, 42) == [
        "    1    2    3",
        "1 100    8   65  the capital",
        "2   8  100   -2  quick <b>sort</b> & co.",
        "3  65   -2  100  hello",
    ]


def test_more_of_them_go_into_tables_one_below_the_other():
    random = np.random.default_rng(0)
    scores = random.uniform(-1, 99, (25, 25)).astype(np.float32)
    lines = lines_of(scores, ["text " * 9] * 25, 80)
    heads = [line.split() for line in lines[::26]]
    assert [number for head in heads for number in head] == [str(i) for i in range(1, 26)]
    assert len(lines) == 26 * len(heads) == 26 * 2
    assert max(map(len, lines)) == 80
    assert lines_of(scores, ["text"] * 25, 5)  # narrower than anything, yet no error


def test_on_a_pipe_a_long_text_stays_whole():
    text = "word" * 100
    result = run("similarity", "--model", TINY, "a", "b", text)
    assert result.stdout.splitlines()[3].endswith(f" {text}")


# ── as a page ────────────────────────────────────────────────────────────────────────────────────


def test_the_page_asks_for_no_other_file_and_escapes_its_texts(tmp_path):
    path = tmp_path / "a.html"
    result = run("similarity", "--model", TINY, "--html", str(path), *TEXTS)
    assert result.exit_code == 0
    page = path.read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "quick &lt;b&gt;sort&lt;/b&gt; &amp; co." in page
    assert not any(part in page for part in ("http:", "https:", "src=", "<script", "@import"))
    assert list(tmp_path.iterdir()) == [path]


def test_the_page_shows_every_score_on_its_shade():
    file = io.BytesIO()
    heatmap.write_html(file, SCORES, TEXTS, "model")
    page = file.getvalue().decode()
    assert page.count("<td") == 9
    assert '<td class="s0">-2.45</td>' in page
    assert "shaded from -2.45 to 65.22" in page
    assert 'content="light dark"' in page


def test_a_text_that_is_no_unicode_leaves_a_readable_page():
    file = io.BytesIO()
    heatmap.write_html(file, SCORES, ["a\udc80", "b", "c"], "model")
    assert "a?" in file.getvalue().decode()


def test_a_notebook_shows_the_scores_of_texts_as_the_shaded_square():
    found = heatmap.heat_map(Embedder(TINY), iter(TEXTS))
    shown = found._repr_html_()
    embeddings = Embedder(TINY).encode(TEXTS)
    scores = Embedder(TINY).similarity(embeddings, embeddings) * 100
    np.testing.assert_array_equal(found.scores, scores)
    assert shown.count("<td") == 9
    assert f">{scores[0, 1]:.2f}</td>" in shown
    assert "quick &lt;b&gt;sort&lt;/b&gt; &amp; co." in shown
    # Its styles are for its own table: the notebook has others.
    rules = re.findall(r"^(.+?) {", shown, re.MULTILINE)
    assert all(part.strip().startswith(".gtenp") for rule in rules for part in rule.split(","))
    assert len(rules) == 4 + len(heatmap.SHADES)


def test_one_text_has_nothing_to_be_alike_to():
    with pytest.raises(InputError, match="texts: 1 to compare; wanted two or more"):
        heatmap.heat_map(Embedder(TINY), ["hello"])


# ── as a picture ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["png", "svg"])
def test_without_matplotlib_one_sentence_says_how_to_get_it(form, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("similarity", "--model", TINY, f"--{form}", str(tmp_path / "a"), *TEXTS)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: --{form} draws with matplotlib, and matplotlib is not installed here: "
        "pip install 'gtenp[plot]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def picture(form, scores=SCORES, texts=TEXTS, title="model"):
    pytest.importorskip("matplotlib")
    file = io.BytesIO()
    heatmap.write_picture(file, scores, texts, title, form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_scores_make_the_same_bytes(form):
    assert picture(form) == picture(form)


def test_a_svg_has_each_text_and_score_as_text():
    texts = ["a costs $5, b $6", "北京是中国的首都", "<b>"]
    root = ET.fromstring(picture("svg", texts=texts, title="$a$"))
    shown = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {*texts, "$a$", "-2.45"} <= set(shown)
    assert b"dc:date" not in picture("svg")


def test_a_character_is_drawn_by_whichever_font_has_it(monkeypatch):
    manager = pytest.importorskip("matplotlib.font_manager").fontManager
    own = [font for font in manager.ttflist if font.name in ("DejaVu Sans", "STIXNonUnicode")]
    monkeypatch.setattr(manager, "ttflist", own)
    # Of matplotlib's own fonts, one for mathematics alone has this private one.
    assert heatmap._fonts("a\ue000") == (["DejaVu Sans", "STIXNonUnicode"], [])


def test_a_png_tells_once_of_characters_that_no_font_draws(monkeypatch):
    manager = pytest.importorskip("matplotlib.font_manager").fontManager
    own = [font for font in manager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(manager, "ttflist", own)
    with pytest.warns(UserWarning, match="draws 京 北; boxes stand") as told:
        assert picture("png", texts=["北京", "Beijing", "北"]).startswith(b"\x89PNG")
    assert len(told) == 1


@pytest.mark.parametrize("count", [2, 25, 120])
def test_two_texts_and_many_can_be_drawn(count):
    scores = np.random.default_rng(0).uniform(-1000, 0, (count, count)).astype(np.float32)
    root = ET.fromstring(picture("svg", scores, ["a rather long text " * 5] * count))
    assert float(root.attrib["width"].removesuffix("pt")) < 72 * 24


def test_the_verb_draws_all_three_and_leaves_nothing_beside_them(tmp_path):
    pytest.importorskip("matplotlib")
    paths = {form: tmp_path / f"a.{form}" for form in ("png", "svg", "html")}
    options = [part for form, path in paths.items() for part in (f"--{form}", str(path))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run("similarity", "--model", TINY, *options, "a", "b")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())


def test_two_outputs_of_one_path_are_refused_before_anything_is_computed(tmp_path, monkeypatch):
    (tmp_path / "link.svg").symlink_to(tmp_path / "table.png")
    monkeypatch.chdir(tmp_path)
    for first, second in (("table.png", "./table.png"), ("table.png", "link.svg")):
        result = run(
            "similarity", "--model", "no such model", "a", "b", "--png", first, "--svg", second
        )
        assert result.exit_code == 2
        assert "two of --png, --svg and --html name one file" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["link.svg"]

"""The rendered book in a real browser with the network cut off: what a reader without a connection sees.

`make test` renders the book first. Without a browser these tests are skipped and say so.
"""

import re
from pathlib import Path

import pytest
from conftest import BROWSER, HTML, ROOT, opened

from audiolib import plots

PAGES = sorted(
    path.relative_to(HTML).as_posix() for folder in ("book", "notebooks") for path in (HTML / folder).glob("*.html")
)
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.skipif(not PAGES, reason="the book is not rendered: make book"),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed: the pages are not looked at"),
]
# All that looks at one page runs in one process, which opens it once for the desk and once for the phone (see `make test`).
LOOKED_AT = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in PAGES]


@pytest.fixture
def visit(tab):
    """A function that opens a page of the book, for a test that changes something there."""
    def visit(name, viewport=DESK, scheme="light"):
        path, _, query = name.partition("?")
        page = tab((HTML / path).as_uri() + ("?" + query if query else ""), viewport=viewport, color_scheme=scheme)
        page.wait_for_load_state("load")
        return page

    return visit


def whole(browser, name, viewport, scheme):
    """A page of the book with its formulas typeset, for tests that look and touch nothing."""
    page = opened(browser, (HTML / name).as_uri(), viewport=viewport, color_scheme=scheme)
    page.wait_for_function("() => !window.MathJax || MathJax.startup.promise.then(() => true)")
    page.name, page.scheme = name, scheme
    return page


@pytest.fixture(scope="module", params=LOOKED_AT)
def desk(browser, request):
    """Every page in turn, as a desk shows it by day."""
    page = whole(browser, request.param, DESK, "light")
    yield page
    page.context.close()


@pytest.fixture(scope="module", params=LOOKED_AT)
def phone(browser, request):
    """Every page in turn, as a phone shows it by night."""
    page = whole(browser, request.param, PHONE, "dark")
    yield page
    page.context.close()


def is_whole(page):
    """What must be true of a page in both colour schemes; the one in which it was opened comes first."""
    for scheme in (page.scheme, "dark" if page.scheme == "light" else "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme, timeout=10_000)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
        assert (sum(background) > 384) == (scheme == "light")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth + 1"), "the page scrolls sideways"
    page.emulate_media(color_scheme=page.scheme)
    assert page.errors == []
    assert page.outside == []
    broken = page.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => !i.complete || !i.naturalWidth).map(i => i.src.slice(0, 80))"
    )
    assert broken == []


def test_page_is_whole_on_a_desk_without_a_network(desk):
    is_whole(desk)


def test_page_is_whole_on_a_phone_without_a_network(phone):
    is_whole(phone)


def test_page_shows_nothing_that_a_reader_has_no_use_for(desk):
    stray = desk.evaluate("document.querySelector('article').textContent.match(/\\{glue\\S*|WARNING\\S*|Traceback.*/g)")
    assert stray is None
    shown = desk.locator("article .output.stderr").all_inner_texts()
    assert shown == [], "warnings and logs do not belong into a book; mend or catch what makes them"


def test_formulas_are_typeset(desk):
    assert desk.locator("article mjx-container svg").count() >= desk.locator("article .math").count()
    assert desk.locator("article mjx-merror, article [data-mjx-error]").count() == 0


def test_there_are_formulas_and_players():
    """What the tests of all pages take for granted."""
    pages = [(HTML / name).read_text(encoding="utf8") for name in CHAPTERS]
    assert sum(text.count('class="math ') for text in pages) > 20
    assert sum(text.count("<audio") for text in pages) >= 10


def test_every_figure_has_alternative_text_and_every_player_plays(desk):
    mute = desk.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => !i.alt || i.alt.length < 25).map(i => i.src.slice(0, 80))"
    )
    assert mute == [], "images without a description"
    failed = desk.evaluate(
        """async () => {
            const failed = [];
            for (const player of document.querySelectorAll('article audio')) {
                player.muted = true;
                try {
                    await player.play();
                    await new Promise(done => setTimeout(done, 60));
                    if (!(player.duration > 0.05 && player.duration < 6)) failed.push('lasts ' + player.duration);
                    player.pause();
                } catch (error) { failed.push(String(error)); }
            }
            return failed;
        }"""
    )
    assert failed == []


def test_visible_code_is_not_cut_on_a_desk(desk):
    cut = desk.evaluate(
        """[...document.querySelectorAll('article div.cell_input pre')]
            .filter(pre => pre.checkVisibility({visibilityProperty: true})) // not folded away
            .filter(pre => pre.scrollWidth > pre.clientWidth + 1).map(pre => pre.innerText)"""
    )
    assert cut == []


def test_players_pair_on_a_desk(desk):
    widths = desk.evaluate(
        """[...document.querySelectorAll('article figure.audio-player:not(.guess *)')].filter(player => player.offsetParent)
            .map(player => [player.getBoundingClientRect().width, player.parentElement.clientWidth])"""
    )
    assert all(2 * (player + 10) <= column for player, column in widths), widths


def test_a_phone_shows_figures_whole_with_legible_type(phone):
    shown = phone.evaluate(
        """[...document.querySelectorAll('article .cell_output figure img')].filter(image => image.offsetParent)
            .map(image => [image.naturalWidth / 240, image.getBoundingClientRect().width, // inches and pixels
                image.closest('figure').scrollWidth > image.closest('figure').clientWidth + 1])"""
    )
    assert all(8 / 72 * width / inches >= 7 for inches, width, _ in shown), f"type of 8 pt is lower than 7 px: {shown}"
    assert all(inches == plots.WIDE for inches, _, moved in shown if moved), f"figures are moved sideways: {shown}"


def test_page_says_what_it_is_about_and_loads_mathjax_only_for_formulas(desk):
    assert len(desk.locator("meta[name=description]").get_attribute("content")) > 20
    assert desk.locator("link[rel~=icon]").count() == 1
    assert "MIT" in " ".join(desk.locator("footer").all_inner_texts())
    if desk.locator("article .math").count() == 0:
        assert desk.locator("script[src*=mathjax]").count() == 0


def test_what_a_page_loads_is_small(desk):
    """HTML, scripts, styles, fonts and pictures together, as a reader on the web would fetch them (without compression)."""
    desk.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    desk.wait_for_load_state("networkidle")
    sizes = {url.rsplit("/", 1)[-1][:60]: size_of(url) for url in set(desk.loaded)}
    limit = 1_000_000 if desk.name == "book/index.html" else 6_000_000
    assert sum(sizes.values()) <= limit, sorted(sizes.items(), key=lambda item: -item[1])[:8]


def size_of(url):
    """Bytes of a file that a page asked for."""
    from urllib.parse import unquote, urlsplit

    return Path(unquote(urlsplit(url).path)).stat().st_size


def test_no_line_ends_between_a_number_and_its_unit(desk):
    for text in desk.locator("article p, article li, article figcaption").all_text_contents():
        assert not re.search(r"\d (?:k?Hz|dB|ms|s|MB|%)(?![\w/])", text), text


def can_be_used_by_everyone(page):
    """Names of buttons, contrast, keys: axe-core finds nothing serious.

    It comes last, for of the thousands of colored words in a page's code it leaves one of each kind.
    """
    axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed: pip install -e .[test]")
    page.evaluate(
        """() => {
            // First all are looked at, then all are taken out: in turns, each would have the page styled anew.
            const words = [...document.querySelectorAll('pre span')].map(word => [word, getComputedStyle(word).color]);
            const seen = new Set();
            for (const [word, color] of words) {
                const kind = word.className + color;
                if (seen.has(kind)) word.replaceWith(...word.childNodes);
                seen.add(kind);
            }
        }"""
    )
    page.add_script_tag(path=Path(axe.__file__).parent / "axe.min.js")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [
        (rule["id"], [node["html"][:120] for node in rule["nodes"][:3]])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_page_can_be_used_by_everyone_on_a_desk(desk):
    can_be_used_by_everyone(desk)


def test_page_can_be_used_by_everyone_on_a_phone(phone):
    can_be_used_by_everyone(phone)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_solution_unfolds_whole(visit, name):
    page = visit(name)
    # An answer in words alone, to a riddle in the text, has no code to unfold.
    boxes = page.locator("article .admonition:is(.solution, .advanced)").filter(has=page.locator("div.cell_input"))
    assert boxes.count() >= 2
    for box in boxes.all():
        assert not box.locator("div.cell_input").first.is_visible()
        box.locator(".admonition-title").click()
        box.locator("div.cell_input").first.wait_for(state="visible")  # one click shows the text and the code


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_can_be_downloaded_as_a_notebook(name):
    import nbformat

    button = re.search(r'<a href="([^"]+)"[^>]*btn-download-source-button', (HTML / name).read_text(encoding="utf8"))
    notebook = nbformat.read((HTML / name).parent / button[1], as_version=4)
    assert any(cell.cell_type == "code" for cell in notebook.cells)


@pytest.mark.parametrize("word", ["Fourier", "mel"])
def test_search_finds(visit, word):
    page = visit(f"search.html?q={word}")
    page.wait_for_selector("#search-results li a", timeout=10_000)
    assert page.locator("#search-results li a").count() >= 1
    assert page.errors == []
    assert page.outside == []


def test_pages_name_no_address_to_load_code_from():
    """No script, style sheet or font comes from elsewhere, not even one that only a click would load."""
    for name in PAGES:
        text = (HTML / name).read_text(encoding="utf8")
        loaded = re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"(https?:[^\"]+)\"", text)
        assert [url for url in loaded if 'rel="canonical"' not in url] == []
        assert not re.search(r"unpkg\.com|jsdelivr|cdnjs|thebe-config|binder-examples", text), name


def test_glued_numbers_are_set_like_the_text_around_them(desk):
    """Minus signs, thin spaces between thousands, curly apostrophes: what a cell writes is not what a book prints."""
    glued = desk.locator("article .pasted-text").all_text_contents()
    assert [text for text in glued if re.search(r"(?<!\w)-\d|\d,\d{3}(?!\d)|'", text)] == []


def test_there_are_glued_numbers_of_all_kinds():
    pages = "".join((HTML / name).read_text(encoding="utf8") for name in PAGES)
    glued = re.findall(r'pasted-text">([^<]*)<', pages)
    assert len(glued) > 100
    assert any("\u2212" in text for text in glued) and any("\u202f" in text for text in glued)


# --- the page as a machine ----------------------------------------------------------------------------------------------


def test_a_guess_is_counted_and_the_answer_shown(visit):
    page = visit("book/index.html")
    assert page.locator(".guess audio").count() == 3
    answers = page.locator(".guess-one").evaluate_all(
        "boxes => boxes.map(box => [box.dataset.answer, box.dataset.machine])"
    )
    assert not page.get_by_text("The network says").first.is_visible()
    for k, (box, (answer, _)) in enumerate(zip(page.locator(".guess-one").all(), answers, strict=True)):
        wrong = "pop" if answer != "pop" else "rock"
        box.get_by_role("button", name=answer if k == 0 else wrong, exact=True).click()
        assert box.get_by_text("The network says").is_visible()
        assert box.locator("button.right").inner_text() == answer
        assert all(button.is_disabled() for button in box.locator("button").all())
    machine = sum(answer == said for answer, said in answers)
    assert page.locator(".guess-count").inner_text() == f"Right of 3: you 1, the network {machine}."


def test_answers_to_a_guess_are_folded_where_no_script_runs(tab):
    page = tab((HTML / "book/index.html").as_uri(), java_script_enabled=False)
    assert page.locator(".guess-choices").count() == 0
    page.locator(".guess summary").first.click()
    assert page.get_by_text("The network says").first.is_visible()


def sounding(page):
    """Which players of a page sound."""
    return page.evaluate(
        "[...document.querySelectorAll('audio')].map((one, i) => one.paused ? -1 : i).filter(i => i >= 0)"
    )


def test_one_player_sounds_at_a_time(visit):
    page = visit("notebooks/01_dataset.html")
    for k in (0, 1):
        page.evaluate(f"document.querySelectorAll('audio')[{k}].play()")
        page.wait_for_timeout(100)
        assert sounding(page) == [k]


def test_a_switch_leads_to_the_other_sound_at_the_same_place(visit):
    page = visit("notebooks/06_data.html")
    row = page.locator(".compare").first
    row.locator("audio").first.evaluate("async one => { one.currentTime = 1.5; await one.play(); }")
    row.evaluate(
        """row => {
            const [first, second] = row.querySelectorAll('audio'), play = second.play;
            second.play = () => { row.places = [first.currentTime, second.currentTime]; return play.call(second); };
        }"""
    )
    row.get_by_role("button").click()
    page.wait_for_timeout(200)
    assert row.locator("audio").evaluate_all("all => all.map(one => one.paused)") == [True, False]
    first, second = row.evaluate("row => row.places")  # at that moment: on a busy machine the sound runs on
    assert second >= 1.5 and abs(second - first) < 0.1
    assert row.locator(".compare-now").inner_text() == "You hear: B"


def test_a_line_runs_over_the_picture_of_a_sound(visit):
    page = visit("notebooks/03_stft.html")
    player = page.locator("figure[data-over]").first
    name = player.get_attribute("data-figure")
    left, right, top, bottom, start, end = player.get_attribute("data-over").split(";")[0].split()
    audio = player.locator("audio")
    audio.evaluate("one => { one.currentTime = 2; return one.play(); }")
    page.wait_for_selector(f"#{name} .playhead")
    audio.evaluate("one => { one.playbackRate = 0.1; }")
    page.wait_for_timeout(100)
    x, line, image = page.evaluate(
        f"""() => [document.querySelector('figure[data-over] audio').currentTime,
            document.querySelector('#{name} .playhead').getBoundingClientRect().toJSON(),
            document.querySelector('#{name} img').getBoundingClientRect().toJSON()]"""
    )
    share = float(left) + (x - float(start)) / (float(end) - float(start)) * (float(right) - float(left))
    assert line["x"] == pytest.approx(image["x"] + share * image["width"], abs=image["width"] / 100)
    assert line["height"] == pytest.approx(image["height"] * (float(bottom) - float(top)), abs=3)
    audio.evaluate("one => one.pause()")
    page.wait_for_selector(f"#{name} .playhead", state="detached")


def test_a_word_says_what_it_means_to_who_comes_by_key_and_escape_closes_it(visit):
    page = visit("notebooks/02_sound.html")
    card = page.locator("[role=tooltip]")
    for link, says in (("a[href*='glossary.html#term-']", 20), ("a[href*='bibliography.html#']", 20)):
        link = page.locator(f"article {link}").first
        assert not card.is_visible()
        link.focus()
        assert card.is_visible() and len(card.inner_text()) > says
        assert link.get_attribute("aria-describedby") == "card" and link.get_attribute("title") is None
        page.keyboard.press("Escape")
        assert not card.is_visible()
    link.hover()
    card.wait_for(state="visible")


def test_claims_are_filtered_by_verdict_and_counted(visit):
    page = visit("book/claims.html")
    cards, shown = page.locator(".claim"), page.locator(".claim:visible")
    total = cards.count()
    counts = []
    for button in page.locator(".claim-filter button").all():
        word, count = re.fullmatch(r"(.+) \((\d+)\)", button.inner_text()).groups()
        button.click()
        assert shown.count() == int(count) and button.get_attribute("aria-pressed") == "true"
        verdicts = {text.strip() for text in page.locator(".claim:visible .claim-verdict").all_inner_texts()}
        assert word == "All" or verdicts <= {word}
        counts.append(int(count))
    assert counts[0] == total == sum(counts[1:])
    page.evaluate("location.hash = 'claim-01'")  # a link to a card finds it, whatever the filter hides
    page.locator("#claim-01").wait_for(state="visible")


def test_the_page_on_the_library_lists_what_is_public(visit):
    import importlib
    import inspect

    text = visit("book/api.html").locator("article").inner_text()
    for path in (ROOT / "audiolib").glob("[a-z]*.py"):
        module = importlib.import_module(f"audiolib.{path.stem}")
        assert f"audiolib.{path.stem}" in text
        for name, one in vars(module).items():
            public = inspect.isfunction(one) or inspect.isclass(one)
            if public and one.__module__ == module.__name__ and not name.startswith("_"):
                assert f"{name}(" in text or f"{name}\n" in text, f"{path.stem}.{name}"

"""The built site, as its readers meet it: in a browser, with all its kinds.

`make test-site` builds it and runs this. Screenshots of every page go to
_build/screenshots.
"""

import gzip
import os
import re
import subprocess
from itertools import pairwise, product
from urllib.parse import urlsplit

import nbformat
import numpy as np
import pypdfium2 as pdfium
import pytest
from axe_playwright_python.sync_playwright import Axe

from tools.course import read_course
from tools.folders import BUILD
from tools.single import make_single
from tools.site import CSP_SINGLE

SCREENS = {
    "phone": {"width": 375, "height": 812},
    "desktop": {"width": 1280, "height": 900},
}
COURSE = read_course()
EDITIONS = COURSE.editions
REACH = "Reach, initialize and share parameters"
CHAPTERS = [chapter.name for chapter in COURSE.chapters]
# Of all languages.
EACH_CHAPTER = [
    (edition, chapter) for edition in EDITIONS for chapter in edition.chapters
]
EACH_PAGE = [
    f"{edition.folder}{name}"
    for edition in EDITIONS
    for name in sorted(edition.names)
]
SOLUTIONS = [name for name in EACH_PAGE if "solutions/" in name]
PAGES = [name for name in EACH_PAGE if name not in SOLUTIONS]
TO_READ = [name for name in EACH_PAGE if not name.endswith(("search", "404"))]
FORMS = [("phone", "dark"), ("desktop", "light")]
KB = 1000
THEME = "document.documentElement.dataset.theme"


def needs(*names):
    """Skip a test of chapters that a teacher has left out."""
    return pytest.mark.skipif(
        not {*names} <= {*CHAPTERS}, reason="site/course.toml leaves it out"
    )


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(visit, name):
    page = visit(f"{name}.html")
    for screen, theme in product(SCREENS, ("light", "dark")):
        page.set_viewport_size(SCREENS[screen])
        page.emulate_media(color_scheme=theme)
        page.reload()
        assert page.evaluate(THEME) == theme, screen
        assert_sound(page)
        if (screen, theme) in FORMS:  # each screen and each theme once
            assert_accessible(page)
            take_screenshot(page, f"{name}-{screen}-{theme}")


@pytest.mark.parametrize("name", SOLUTIONS)
def test_unfolded_solutions_are_sound(visit, name):
    screen, theme = FORMS[SOLUTIONS.index(name) % 2]
    page = visit(f"{name}.html", viewport=SCREENS[screen], color_scheme=theme)
    folded = page.locator("details.solution")
    assert not folded.locator("div.cell").filter(visible=True).count()
    for summary in folded.locator("summary").all():
        summary.click()
    assert folded.locator("div.cell").filter(visible=True).count()
    assert_sound(page)
    assert_accessible(page)
    take_screenshot(page, f"{name.replace('/', '-')}-{screen}-{theme}")


@pytest.mark.parametrize("edition", EDITIONS, ids=str)
def test_switch_opens_all_predictions_and_closes_them(visit, edition):
    page = visit(f"{edition.folder}{CHAPTERS[-1]}.html")
    folded = page.locator("details.prediction")
    outputs = folded.locator(".cell_output")
    assert outputs.count() > 3
    assert not outputs.filter(visible=True).count()
    folded.first.locator("summary").click()
    assert outputs.filter(visible=True).count() == 1
    switch = page.locator("button.unfold")
    for shown in (outputs.count(), 0):
        switch.focus()
        page.keyboard.press("Enter")
        assert outputs.filter(visible=True).count() == shown
        pressed = switch.get_attribute("aria-pressed")
        assert pressed == ("true" if shown else "false")
        assert_sound(page)
        assert_accessible(page)


def test_predictions_open_one_by_one_without_scripts(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.address}{CHAPTERS[-1]}.html")
    assert not page.locator("button.unfold").is_visible()
    one = page.locator("details.prediction").first
    one.locator("summary").click()
    assert one.locator(".cell_output").is_visible()
    context.close()


def test_predictions_are_printed(visit):
    page = visit(f"{CHAPTERS[-1]}.html")
    page.emulate_media(media="print")
    outputs = page.locator("details.prediction .cell_output")
    assert outputs.filter(visible=True).count() == outputs.count() > 3
    summaries = page.locator("details.prediction summary")
    assert not summaries.filter(visible=True).count()


def assert_sound(page):
    """Look for what no page may have."""
    scrolled = "document.scrollingElement.scrollWidth - innerWidth"
    assert page.evaluate(scrolled) <= 0, page.viewport_size
    broken = "[...document.images].filter(i => !i.naturalWidth).length"
    assert page.evaluate(broken) == 0, page.viewport_size


def take_screenshot(page, name):
    """Keep what a page looks like, for whoever wants to see it."""
    folder = BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.jpg", full_page=True)


# Marks five texts of each look: of a color, size and background.
MARK_LOOKS = """() => {
  const around = new Map([[null, ""]]), seen = new Map();
  const backgroundOf = element => {
    if (!around.has(element)) {
      const s = getComputedStyle(element), own =
        [s.backgroundColor, s.backgroundImage, s.opacity, s.filter].join();
      const plain = own === "rgba(0, 0, 0, 0),none,1,none" ? "" : own;
      around.set(element, backgroundOf(element.parentElement) + plain);
    }
    return around.get(element);
  };
  const hasText = element => [...element.childNodes].some(
    node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect(), s = getComputedStyle(element);
    const shown = element.checkVisibility({visibilityProperty: true})
      && box.width > 1 && box.height > 1;
    if (!shown || !hasText(element)) continue;
    const look = [s.color, s.fontSize, s.fontWeight, s.textShadow,
      backgroundOf(element)].join();
    seen.set(look, (seen.get(look) ?? 0) + 1);
    element.toggleAttribute("data-look", seen.get(look) <= 5);
  }
}"""
CONTRAST = "color-contrast"


def assert_accessible(page):
    """Let axe look for what keeps a reader out.

    Most of its time would go into the contrast of each word of code, so that
    is asked of some words of each look.
    """
    # Without its preload, which takes @import for relative to the page.
    options = {"preload": False, "resultTypes": ["violations"]}
    others = {"rules": {CONTRAST: {"enabled": False}}}
    page.evaluate(MARK_LOOKS)
    for context, rules in (
        (None, others),
        ({"include": ["[data-look]"]}, {"runOnly": [CONTRAST]}),
    ):
        found = Axe().run(page, context=context, options=options | rules)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(
    "name",  # a server alone shows 404
    [name for name in EACH_PAGE if not name.endswith("404")],
)
def test_page_works_from_the_file_system(visit, site, name):
    page = visit((site.folder / f"{name}.html").as_uri())
    assert page.locator("h1").count() == 1
    assert page.evaluate(THEME) == "light"


@pytest.mark.parametrize(("edition", "chapter"), EACH_CHAPTER, ids=str)
def test_page_is_complete_without_javascript(visit, edition, chapter):
    page = visit(
        f"{edition.folder}{chapter.name}.html",
        color_scheme="dark",
        java_script_enabled=False,
    )
    notebook = nbformat.read(chapter.notebook, 4)
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    shown = page.locator(".cell_input pre").all_text_contents()
    # HTML leaves out a line end that a cell begins with.
    assert [s.strip("\n") for s in shown] == [s.strip("\n") for s in code]
    # The theme has colors, and those for light.
    color = "getComputedStyle(document.body).{}"
    assert page.evaluate(color.format("backgroundColor")) == (
        "rgb(255, 255, 255)"
    )
    assert page.evaluate(color.format("color")) == "rgb(34, 40, 50)"
    for size in SCREENS.values():
        page.set_viewport_size(size)
        links = page.locator("nav.bd-links a").filter(visible=True)
        assert links.count() >= len(CHAPTERS), size
        offered = page.locator(".pst-js-only").filter(visible=True)
        assert offered.count() == 0, size
        switch = page.locator(".languages a").filter(visible=True)
        assert switch.count() == len(EDITIONS) - 1, size


@pytest.mark.parametrize(
    "words",
    ["silently", "named_parameters", "UninitializedParameter"],
    ids=["prose", "code", "output"],
)
@needs("02_parameters")
@pytest.mark.parametrize("place", ["server", "file"])
def test_search_finds_the_section(visit, site, words, place):
    start = site.address if place == "server" else f"{site.folder.as_uri()}/"
    page = visit(f"{start}search.html?q={words}")
    result = page.locator("#search-results li.kind-text").first
    if place == "server":  # from a file, no other page can be read
        result.locator(".context", has_text=words).wait_for()
    link = result.get_by_role("link", name=" > ")
    address, title = link.get_attribute("href"), link.inner_text()
    link.click()
    assert page.url == start + address
    section = page.locator(f"section#{address.partition('#')[2]}")
    heading = section.locator("h1, h2, h3").first
    assert title.endswith(f" > {heading.inner_text()}")
    assert words.lower() in section.inner_text().lower()
    top = heading.bounding_box()["y"]
    assert 0 <= top < page.viewport_size["height"] / 2


@needs("02_parameters")
def test_search_finds_pages_by_their_title_and_by_words_apart(visit):
    page = visit("search.html?q=Reach%2C+initialize+and+share+parameters")
    page.locator("#search-results li a", has_text=REACH).first.wait_for()
    # In no section together: the page, at its beginning.
    page.goto(page.url.partition("?")[0] + "?q=frozen+UninitializedParameter")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    hrefs = [link.get_attribute("href") for link in results.all()]
    assert "02_parameters.html" in hrefs


@pytest.mark.skipif(not SOLUTIONS, reason="site/course.toml: no solutions")
@needs("03_custom_layers")
def test_exercise_leads_to_its_solution_and_unfolds_it(visit):
    page = visit("03_custom_layers.html", java_script_enabled=False)
    page.locator("section#repair").get_by_role("link", name="Solution").click()
    section = page.locator("section#repair")
    assert page.url.endswith("solutions/03_custom_layers.html#repair")
    assert not section.get_by_text("Idea.").is_visible()
    section.locator("summary").click()
    assert section.get_by_text("Idea.").is_visible()
    section.get_by_role("link", name="Exercise").click()
    assert page.url.endswith("/03_custom_layers.html#repair")


@needs("03_custom_layers")
def test_search_field_leads_to_the_search(visit):
    page = visit("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("gradcheck")
    page.keyboard.press("Enter")
    results = page.locator("#search-results li")
    results.filter(has_text="Write layers of your own").first.wait_for()


@needs("03_custom_layers")
def test_copy_button_copies_the_cell(visit, site):
    page = visit("03_custom_layers.html", permissions=["clipboard-read"])
    cell = page.locator(".cell_input").nth(2)
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


def test_theme_is_remembered(visit):
    page = visit("index.html", color_scheme="light")
    page.locator(".theme-switch-button:visible").click()
    page.locator('.theme-change-button[data-mode="dark"]:visible').click()
    assert page.evaluate(THEME) == "dark"
    page.goto(page.url.replace("index", CHAPTERS[-1]))
    assert page.evaluate(THEME) == "dark"


@pytest.mark.parametrize(("edition", "chapter"), EACH_CHAPTER, ids=str)
def test_downloads_are_the_files_of_the_repository(visit, edition, chapter):
    page = visit(f"{edition.folder}{chapter.name}.html")
    for file in (chapter.notebook, chapter.source):
        with page.expect_download() as download:
            page.locator(".chapter-actions a", has_text=file.suffix).click()
        assert download.value.suggested_filename == file.name
        if chapter.is_original:
            with open(download.value.path(), encoding="utf-8") as got:
                text, stored = got.read(), file.read_text("utf-8")
            if file == chapter.notebook:
                text, stored = (
                    nbformat.reads(text, 4).cells for text in (text, stored)
                )
            assert text == stored


@needs("03_custom_layers")
def test_keyboard_reaches_everything_and_shows_where_it_is(visit):
    page = visit("03_custom_layers.html")
    reached = []
    for _ in range(400):
        page.keyboard.press("Tab")
        element = page.evaluate(
            """() => {
              const e = document.activeElement, s = getComputedStyle(e);
              if (e === document.body) return null;
              const seen = parseFloat(s.outlineWidth) > 0
                && s.outlineStyle !== "none" || s.boxShadow !== "none";
              return [e.textContent.trim() || e.ariaLabel || e.name, seen];
            }"""
        )
        if element is None:
            break
        reached.append(element)
    assert reached[0][0] == "Skip to main content"
    assert [name for name, seen in reached if not seen] == []
    links = "main a[href], nav a[href], main button"
    visible = page.locator(links).filter(visible=True).count()
    assert len(reached) >= visible


@pytest.mark.parametrize("edition", EDITIONS, ids=str)
def test_pages_are_light(visit, site, edition):
    home = f"{site.address}{edition.folder}"
    search = transferred(visit, f"{home}search.html?q=graph")
    assert any("searchindex.js" in url for url in search)
    for chapter in edition.chapters:
        name = chapter.name
        sizes = transferred(visit, f"{home}{name}.html")
        assert any("theme.css" in url for url in sizes)
        assert sum(sizes.values()) <= 400 * KB, name
        assert sum((sizes | search).values()) <= 1200 * KB, name


def transferred(visit, address):
    """What a page needs: addresses, and bytes as a host compresses them."""
    sizes = {}

    def note(response):
        sizes[response.url] = len(gzip.compress(response.body()))

    page = visit("about:blank")
    page.on("response", note)
    page.goto(address, wait_until="networkidle")
    return sizes


def test_wrong_address_leads_back(site):
    # Without an address, the folder of the site is taken for the root.
    folder = urlsplit(COURSE.address).path or "/"
    text = (site.folder / "404.html").read_text("utf-8")
    assert f'href="{folder}index.html"' in text


PAPER = {
    "format": "A4",
    "margin": dict.fromkeys(["top", "right", "bottom", "left"], "1cm"),
}
CM = 72 / 2.54  # of a centimeter, in the points of a PDF


def letters(text):
    """A text without what a line or a sheet may break."""
    return re.sub(r"[\W_]", "", text)


def on_paper(block, texts):
    """Whether a sheet has a block, or the next one has the rest of it."""
    return any(block in text for text in texts) or any(
        block[:i] in text and block[i:] in following
        for text, following in pairwise(texts)
        for i in range(1, len(block))
    )


BLOCKS = """[...document.querySelectorAll(
  "article :is(h1, h2, h3, p, pre, dt, td, summary)"
)].filter(e => !e.matches(".prediction > summary"))
  .filter(e => !e.querySelector("math, p")).map(e => e.textContent)"""
# Each figure becomes a rectangle of its size, in a color of its own.
FIGURES = """Promise.all(
  [...document.querySelectorAll(".cell_output img")].map(async i => {
    const [w, h] = [i.naturalWidth, i.naturalHeight];
    i.src = "data:image/svg+xml," + encodeURIComponent(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${w}"
      height="${h}"><rect width="${w}" height="${h}"
      fill="#ff00ff"/></svg>`);
    await i.decode();
    return h / w;
  }))"""
CUT = """[...document.querySelectorAll("article, article *")].filter(e =>
  getComputedStyle(e).overflowX !== "visible"
  && e.scrollWidth > e.clientWidth + 1
  || e.getBoundingClientRect().right > innerWidth
).map(e => e.outerHTML.slice(0, 99))"""


@pytest.mark.parametrize("name", TO_READ)
def test_printed_page_is_complete(visit, name):
    page = visit(f"{name}.html")
    blocks, ratios = page.evaluate(BLOCKS), page.evaluate(FIGURES)
    pdf = pdfium.PdfDocument(page.pdf(**PAPER, print_background=True))
    sheets = [sheet.get_textpage() for sheet in pdf]
    texts = [letters(sheet.get_text_bounded()) for sheet in sheets]
    assert len(blocks) > 20
    assert [b for b in blocks if not on_paper(letters(b), texts)] == []
    for sheet in sheets:
        boxes = map(sheet.get_charbox, range(sheet.count_chars()))
        assert max(right for _, _, right, _ in boxes) <= 20 * CM + 1
    # Its figures are whole.
    assert figures(pdf) == pytest.approx(ratios, rel=0.02)
    assert ratios or name.rpartition("zh/")[2] not in CHAPTERS
    # Its lines aren't cut.
    page.set_viewport_size({"width": int(19 * CM * 96 / 72), "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []


def figures(pdf):
    """The colored rectangles on the sheets: height to width."""
    found = []
    for sheet in pdf:
        pixels = sheet.render(scale=2).to_numpy()
        colored = (pixels[..., 1] < 40) & (pixels[..., [0, 2]] > 215).all(-1)
        rows = colored.any(1).nonzero()[0]
        for block in np.split(rows, (np.diff(rows) > 1).nonzero()[0] + 1):
            if block.size:
                width = colored[block].any(0).sum()
                found.append(block.size / width)
    return found


def test_printed_chapter_is_the_article_alone(visit):
    page = visit(f"{CHAPTERS[0]}.html", color_scheme="dark")
    page.emulate_media(media="print")
    for part in (".bd-header", ".bd-sidebar-primary", ".prev-next-footer"):
        assert not page.locator(part).is_visible()
    assert page.locator(".bd-article h1").is_visible()
    page.evaluate(f"onbeforeprint = () => window.printed = {THEME}")
    assert page.pdf().startswith(b"%PDF")
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate(THEME) == "dark"


@pytest.mark.parametrize("list_", ["primary", "secondary"])
def test_choice_closes_the_list_on_a_phone(visit, list_):
    page = visit(f"{CHAPTERS[0]}.html", viewport=SCREENS["phone"])
    page.locator(f"button.{list_}-toggle").click()
    dialog = page.locator(f"#pst-{list_}-sidebar-modal")
    link = dialog.locator("nav a").filter(visible=True).last
    link.click()
    dialog.wait_for(state="hidden")


def test_html_is_valid(site):
    jar = BUILD / "vnu/node_modules/vnu-jar/build/dist/vnu.jar"
    if not jar.is_file() and "CI" not in os.environ:
        pytest.skip("`make test-site` found no java or no npm")
    pages = [site.folder / f"{name}.html" for name in EACH_PAGE]
    command = ["java", "-jar", jar, "--errors-only", *pages]
    done = subprocess.run(command, capture_output=True, text=True)
    assert pages
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("edition", EDITIONS, ids=str)
def test_chapter_in_one_file_needs_no_other(visit, site, edition, tmp_path):
    target = tmp_path / "chapter.html"
    make_single(edition, site.folder, edition.chapters[0], target)
    page = visit(target.as_uri(), viewport=SCREENS["desktop"])
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    page.reload()
    assert [u for u in asked if not u.startswith("data:")] == [target.as_uri()]
    assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    assert page.locator('a[href$=".html"]:not([href^="http"])').count() == 0
    assert page.locator(".logo__title").is_visible()


# What readers look for in Chinese, and where the first place is that has it.
FOUND = {
    "线性回归": "01_blocks.html#layer-block-and-model-are-one-kind-of-thing",
    "参数绑定": "02_parameters.html#share-a-layer",
    "钩子": "01_blocks.html#a-hook-that-measures",
    "ModuleList 参数": "01_blocks.html#keep-modules-in-lists-and-dictionaries",
    "参数 modulelist": "01_blocks.html#keep-modules-in-lists-and-dictionaries",
    "图": "01_blocks.html#classify-images",
    "层": "reference.html#layers",
    "延后初始化": "02_parameters.html#leave-the-width-to-the-first-batch",
    "状态字典": "04_file_io.html#the-state-dict-follows-the-model",
    "计算图": "03_custom_layers.html#keep-the-parameters-in-the-graph",
    "反向传播": "05_autograd.html#a-backward-computation-of-your-own",
    "自定义层": "03_custom_layers.html",
    "GPU 计时": "06_devices.html#time-it-right",
    "保存　检查点": "07_training.html#save-the-run",
    "冻结": "02_parameters.html#freeze-a-layer",
    "缓冲区": "03_custom_layers.html#parameter-buffer-or-attribute",
    "学习率": "07_training.html#a-schedule",
    "pickle": "04_file_io.html#do-without-pickle",
    "暂退法": "03_custom_layers.html#dropout",
    "MyLinear": "reference.html#d2l_helpers.MyLinear",
}
CHINESE = pytest.mark.skipif(
    [edition.language for edition in EDITIONS] != ["en", "zh"]
    or bool(COURSE.leave_out)
    or not COURSE.solutions,
    reason="site/course.toml has other pages",
)


@pytest.mark.parametrize(
    ("policy", "sandbox"),
    [
        (CSP_SINGLE, None),
        (CSP_SINGLE, "allow-scripts allow-downloads"),
        ("", "allow-scripts allow-downloads"),
        ("", ""),
    ],
)
def test_chapter_in_one_file_keeps_its_style_on_a_course_platform(
    browser, site, tmp_path, policy, sandbox
):
    """Under the policy that the page for teachers has, and in its frame."""
    edition, *_ = EDITIONS
    target = tmp_path / "chapter.html"
    make_single(edition, site.folder, edition.chapters[0], target)
    headers = {"Content-Security-Policy": policy} if policy else {}
    frame = (
        f'<iframe sandbox="{sandbox}" src="chapter" '
        'style="width: 95vw; height: 95vh"></iframe>'
    )
    complaints = []
    with browser.new_context() as context:
        page = context.new_page()
        context.route(
            "http://platform.test/chapter",
            lambda route: route.fulfill(
                path=target, content_type="text/html", headers=headers
            ),
        )
        context.route(
            "http://platform.test/",
            lambda route: route.fulfill(body=frame, content_type="text/html"),
        )
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type == "error" else None,
        )
        framed = sandbox is not None
        page.goto(f"http://platform.test/{'' if framed else 'chapter'}")
        shown = page.frames[-1]
        font = "getComputedStyle(document.body).fontFamily"
        assert "sans-serif" in shown.evaluate(font)
        if sandbox == "":
            assert shown.locator("#exercises").count() == 1
            return
        assert shown.locator("button.copybtn").count() > 10
        shown.get_by_text("Show all outputs").click()
        assert shown.locator("details:not([open])").count() == 0
        shown.locator(".theme-switch-button:visible").click()
        dark = '.theme-change-button[data-mode="dark"]:visible'
        shown.locator(dark).click()
        assert shown.evaluate(THEME) == "dark"
        with page.expect_download() as download:
            shown.locator("a[download]").first.click()
        assert download.value.suggested_filename.endswith(".ipynb")
    assert complaints == []


@CHINESE
@pytest.mark.parametrize("place", ["server", "file"])
def test_search_finds_chinese(visit, site, place):
    start = site.address if place == "server" else f"{site.folder.as_uri()}/"
    page, found = visit(f"{start}zh/search.html"), {}
    for words in FOUND:
        page.goto(f"{start}zh/search.html?q={words}")
        first = page.locator("#search-results li > a").first
        found[words] = first.get_attribute("href")
    assert found == FOUND
    page.goto(f"{start}zh/search.html?q=量子纠缠")
    page.get_by_text("没有匹配到").wait_for()


@CHINESE
def test_search_counts_and_highlights_what_was_written(visit):
    page = visit("zh/search.html?q=计算图")
    page.get_by_text(re.compile(r"找到\d+处。")).wait_for()
    context = page.locator("#search-results .context .highlighted").first
    assert context.inner_text() == "计算图"


def switch(page):
    """Click on the other language, and scroll nowhere before."""
    box = page.locator(".languages a").filter(visible=True).bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    with page.expect_navigation():
        page.mouse.click(*middle)


@CHINESE
@needs("03_custom_layers")
@pytest.mark.parametrize("screen", SCREENS)
def test_switch_leads_to_the_section_that_is_read(visit, screen):
    page = visit("03_custom_layers.html", viewport=SCREENS[screen])
    section = page.locator("section#keep-the-parameters-in-the-graph")
    section.evaluate("s => s.scrollIntoView({behavior: 'instant'})")
    switch(page)
    assert page.url.endswith(
        "/zh/03_custom_layers.html#keep-the-parameters-in-the-graph"
    )
    top = section.locator("h2, h3").first.bounding_box()["y"]
    assert 0 < top < page.viewport_size["height"] / 2
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    switch(page)
    assert page.url.endswith("03_custom_layers.html")
    assert "/zh/" not in page.url


@CHINESE
def test_switch_leads_to_the_page_without_javascript(visit):
    for name in ("index", "solutions/01_blocks", "404"):
        page = visit(f"{name}.html", java_script_enabled=False)
        page.locator(".languages a").filter(visible=True).click()
        assert page.url.endswith(f"/zh/{name}.html")
        assert page.evaluate("document.documentElement.lang") == "zh-CN"


@CHINESE
def test_switch_keeps_what_is_searched_for(visit):
    page = visit("search.html?q=ModuleList")
    page.locator(".languages a").filter(visible=True).click()
    page.get_by_text(re.compile(r"找到\d+处。")).wait_for()


@CHINESE
def test_no_letter_of_chinese_is_slanted(visit):
    page = visit("zh/07_training.html")
    styles = page.locator("em").evaluate_all(
        """all => all.filter(e => /[\u3400-\u9fff]/.test(e.textContent))
          .map(e => getComputedStyle(e).fontStyle)"""
    )
    assert {*styles} == {"normal"}

"""The gate before publication, with pages that try to pass it."""

import re
import subprocess
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from tests.test_pairs import (  # noqa: F401
    notebook,
    page,
    script,
    set_source,
    stored,
)
from tools import book, files, gate
from tools.page import texts

# What Markdown of a chapter may look like.
FINE = [
    "# A title\n\nWith *words*, **more**, `{code}` and `<script>`.",
    "A formula $x_{i}$, and\n\n$$\\begin{aligned}a &= b\\end{aligned}$$",
    "- a list\n  1. in a list\n\n> **Pitfall.** A quote.",
    "| a | b |\n|--:|---|\n| 1 | `x` |",
    "```text\n{include} /etc/passwd\n```\n\n~~~python\nx = 1\n~~~\n\n    code",
    "[a](https://d2l.ai/x_y.html#z), [b](02_parameters.ipynb#cell-id=x)",
    "[c](../01_blocks.ipynb), [d](solutions/01_blocks.ipynb), [e](index.md)",
    "[f](#a-place), <https://d2l.ai>, \\{include} and {braces}.",
    ":::{include} /etc/passwd\n:::",  # shown as it is: an extension is off
    "[a](file:///etc/passwd), [a](data:text/html,x): shown as they are",
]
# What would get a file of the machine, a script or a style onto the site.
HOSTILE = [
    "```{include} /etc/passwd\n```",
    "``` {include} /etc/passwd\n```",
    "~~~{literalinclude} ../../../../etc/passwd\n~~~",
    "`````{include} /etc/passwd\n`````",
    "```{figure} /etc/hostname.png\n```",
    "```{image} /etc/hostname.png\n```",
    "```{eval-rst}\n.. include:: /etc/passwd\n```",
    "```{raw} html\n<script>alert(1)</script>\n```",
    "```{raw} html\n:file: /etc/passwd\n```",
    "```{csv-table}\n:file: /etc/passwd\n```",
    "```{code-cell}\nprint(1)\n```",
    "```{note}\n~~~{include} /etc/passwd\n~~~\n```",
    "- a list\n\n  ```{include} /etc/passwd\n  ```",
    "1. a\n   - b\n     ~~~{include} /etc/passwd",
    "> a quote\n>\n> ```{include} /etc/passwd\n> ```",
    "text\n```{include} /etc/passwd",
    "   ```{include} /etc/passwd\n   ```",
    "```{INCLUDE} /etc/passwd\n```",
    "```\\{include} /etc/passwd\n```",
    "```&#123;include} /etc/passwd\n```",
    "Take {download}`/etc/passwd`.",
    "| a |\n|---|\n| {download}`/etc/passwd` |",
    "{raw-html}`<script>`",
    "# {download}`/etc/passwd`",
    "{py:mod}`os`",
    "---\nmyst:\n  substitutions:\n    a: b\n---\n{{ a }}",
    "---\norphan: true\n---",
    "<script>alert(1)</script>",
    "<iframe src='https://example.org'></iframe>",
    "a <img src='/etc/passwd'> b",
    "a <b onclick='alert(1)'>b</b>",
    "<!-- a comment -->",
    "[a](/etc/passwd)",
    "[a](../../../../etc/passwd)",
    "[a](<../pyproject.toml>)",
    "[a](path:/etc/passwd)",
    "<path:/etc/passwd>",
    "<project:/etc/passwd>",
    "[a](inv:python#os)",
    "[a](//example.org/x)",
    "[a](01_blocks.ipynb/../../pyproject.toml)",
    "[a](..%2Fpyproject.toml)",
    "[a][secret]\n\n[secret]: /etc/passwd",
    "![a](/etc/hostname.png)",
    "![a](https://example.org/a.png)",
    "![a][secret]\n\n[secret]: /etc/hostname.png",
    "{.class #id}\nA paragraph.",
    "(a-target)=\n# A title",
    "% a comment",
    "+++ {\"a\": 1}",
    "$$\na\n$$ (label)",
    "A note[^1].\n\n[^1]: ```{include} /etc/passwd\n    ```",
]  # fmt: skip


@pytest.mark.parametrize("text", FINE)
def test_plain_markdown_passes(text):
    assert list(gate.not_plain([text])) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_anything_else_is_refused(text):
    assert list(gate.not_plain([text])) != []


def test_link_defined_in_another_cell_is_refused():
    assert list(gate.not_plain(["See [a].", "[a]: /etc/passwd"])) != []


@pytest.mark.parametrize("file", texts(), ids=lambda file: file.stem)
def test_page_of_text_is_plain(file):
    assert list(gate.not_plain([file.read_text("utf-8")])) == []


def lines(page):  # noqa: F811
    """The problems of a page that was run, though it needn't be."""
    return "\n".join(gate.problems(page))


def rerun(page):  # noqa: F811
    assert book.main(["run", "08"]) == 0


def test_directive_is_refused_on_a_page(page):  # noqa: F811
    script(page, "# # Add", "# ```{include} /etc/passwd\n# ```\n# # Add")
    (page.folder / "index.md").write_text("# The book\n")
    rerun(page)
    assert "08_sums.py has a directive, '{include} /etc/passwd'" in lines(page)
    (page.folder / "index.md").write_text("{include}`/etc/passwd`\n")
    assert "chapters/index.md has what isn't" in gate.all_problems([page])[1]


@pytest.mark.parametrize(
    ("head", "named"),
    [
        ("# %% [raw]", "is raw"),
        ('# %% [raw] raw_mimetype="text/html"', "is raw"),
        (
            '# %% [markdown] mystnb={"image": {"alt": "x"}, "figure": {}}',
            "mystnb, which may hold",
        ),
        ('# %% [markdown] mystnb={"markdown_format": "myst"}', "mystnb"),
        ('# %% [markdown] render={"image": {}}', "metadata render"),
        ("# %% [markdown] jupyter={}", "metadata jupyter"),
    ],
)
def test_cell_that_the_site_reads_otherwise_is_refused(
    page,  # noqa: F811
    head,
    named,
):
    text = page.source.read_text("utf-8")
    page.source.write_text(f"{text}\n{head}\n# a\n", "utf-8")
    rerun(page)
    assert named in lines(page)


@pytest.mark.parametrize("key", ["myst", "mystnb", "substitutions"])
def test_settings_in_the_head_are_refused(page, key):  # noqa: F811
    script(page, "# jupyter:\n", f"# jupyter:\n#   {key}:\n#     a: [x]\n")
    rerun(page)
    assert f"metadata {key!r}: take {key} out of the .py" in lines(page)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("%timeit 1", "'%timeit 1'"),
        ("!ls", "'!ls'"),
        ("copy the weights", "'copy the weights'"),
        ("%%html\n<script>", "'%%html'"),
        ("torch?", "'torch?'"),
        ("x = (", "'x = ('"),
    ],
)
def test_magic_is_refused(page, source, named):  # noqa: F811
    script(page, "1 + 1", source)
    notebook(page, set_source(2, files.read_source(page).cells[2].source))
    told = lines(page)
    assert "cell 3 of 08_sums.py isn't Python" in told
    assert named in told


def test_help_that_found_nothing_is_refused(page):  # noqa: F811
    # Though the cell is valid Python.
    script(page, "1 + 1", "get_ipython().run_line_magic('pinfo', 'weights')")
    rerun(page)
    assert "says 'Object `weights` not found'" in lines(page)


@pytest.mark.parametrize("head", ["# %%", "# %% [markdown]", "# %%\n\n  "])
def test_empty_cell_is_named(page, head):  # noqa: F811
    before = page.source.read_text("utf-8")
    page.source.write_text(f"{before}\n{head}\n", "utf-8")
    rerun(page)
    (problem,) = gate.problems(page)
    assert "cell 4 of 08_sums.py is empty: delete it from the .py" in problem
    page.source.write_text(before, "utf-8")
    rerun(page)
    assert lines(page) == ""


def test_notebook_edited_alone_is_told_both_ways_out(
    page,  # noqa: F811
    capsys,
):
    notebook(page, set_source(1, "x = 41"))
    (problem,) = gate.problems(page)
    assert "`make pull CH=chapters/08_sums.py`" in problem
    assert "`make run CH=chapters/08_sums.py FORCE=1`" in problem
    assert book.main(["pull", "08"]) == 0
    rerun(page)
    assert lines(page) == ""


def test_pair_that_jupyterlab_has_saved_must_be_run(page):  # noqa: F811
    notebook(page, set_source(0, "# Add two numbers"))
    script(page, "# Add numbers", "# Add two numbers")
    (problem,) = gate.problems(page)
    assert "was edited since it was made: run `make run CH=08`" in problem
    rerun(page)
    assert lines(page) == ""


def test_notes_of_an_editor_are_swept_by_a_run(page):  # noqa: F811
    def note(stored):  # noqa: F811
        stored.metadata.colab = {"provenance": []}

    notebook(page, note)
    (problem,) = gate.problems(page)
    assert "metadata 'colab': run" in problem
    rerun(page)
    assert lines(page) == ""


@pytest.mark.parametrize("cell", [new_code_cell, new_markdown_cell])
def test_page_that_others_wrote_is_one_line(page, cell):  # noqa: F811
    file = page.notebook
    for text in ("", "[1]", '{"nbformat": 3, "worksheets": []}', "null"):
        file.write_text(text)
        (problem,) = gate.problems(page)
        assert "\n" not in problem
    old = nbformat.v4.new_notebook(cells=[cell("x"), new_raw_cell("y")])
    old.nbformat_minor = 0
    for one in old.cells:
        del one["id"]
    file.write_text(nbformat.v4.writes(old))
    assert "has 3 cells, 08_sums.ipynb has 2" in next(gate.problems(page))


# In a clone in which a reader has worked


@pytest.fixture
def clone(page, monkeypatch):  # noqa: F811
    """The folder of chapters, committed."""
    (page.folder / "index.md").write_text("# The book\n")
    root = page.root.parent
    monkeypatch.chdir(root)
    for command in ("init -q", "add .", "commit -qm original"):
        git(*command.split())
    return root


def git(*arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True
    )
    return done.stdout.decode()


def test_reader_can_build_from_the_originals_and_lose_nothing(
    clone,
    page,  # noqa: F811
):
    assert gate.all_problems([page]) == []
    notebook(page, set_source(1, "x = 'my answer'"))
    script(page, "x = 1\nx", "x = 'my answer'")
    mine = replace(page, stem="09_my_notes")
    mine.source.write_text("# %%\n1\n")
    *_, advice = gate.all_problems([page, mine])
    before, after = re.findall("`git (.+?)`", advice)
    git(*before.split())
    assert gate.all_problems([page]) == []
    assert not mine.is_there
    git(*after.split())
    assert "my answer" in page.source.read_text("utf-8")
    assert "my answer" in page.notebook.read_text("utf-8")
    assert mine.is_there


def test_advice_is_given_where_it_helps(clone, page):  # noqa: F811
    script(page, "1 + 1", "1 + 2")
    git("commit", "-qam", "a mistake")
    assert "git stash" not in "".join(gate.all_problems([page]))
    # Nor in a merge: git would refuse.
    git("checkout", "-qb", "other", "HEAD~1")
    script(page, "1 + 1", "1 + 3")
    git("commit", "-qam", "another")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "-")
    told = "".join(gate.all_problems([page]))
    assert "the marks of a merge conflict" in told
    assert "git stash" not in told

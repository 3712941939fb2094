"""A book of one chapter and its solutions, translated, that nobody has run."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat.v4 import new_output

from d2l_helpers.check._report import MIME, Report, State
from tools import edition, files, pairs
from tools.page import CHAPTERS, Page, chapters
from tools.variants import made, stored

HEAD = chapters("01")[0].source.read_text("utf-8").partition("# %%")[0]
ENGLISH = '''\
# %% [markdown]
# # Add numbers
#
# The sum of `a` and $b$, as in the [book](https://d2l.ai/sum.html).

# %% [markdown]
# ## A sum
#
# What is the sum of the two? See [above](#cell-id=add-numbers).

# %%
x = 1  # the first number
x + 1

# %% [markdown]
# The picture shows a line: `[1,
# 2]`.

# %% tags=["x"] mystnb={"image": {"alt": "A line that rises."}}
plt.plot([x])

# %% [markdown]
# ### 8.1 Twice
#
# *Code, 20 minutes.*
# [Solution](solutions/08_sums.ipynb#cell-id=exercise-8-1)
#
# Write a function that doubles.

# %%
def twice(x):
    """Double a number."""
    ...


# %%
check.twice(twice)
'''
# What a translator has written, in the order of the cells.
CHINESE = {
    "# # Add numbers": "# # 把数相加",
    "# The sum of `a` and $b$, as in the [book](https://d2l.ai/sum.html).": (
        "# `a`与$b$的和，见[书](https://zh.d2l.ai/sum.html)。"
    ),
    "# ## A sum": "# ## 和",
    "# What is the sum of the two? See [above](#cell-id=add-numbers).": (
        "# 两数之和是多少？见[上文](#cell-id=add-numbers)。"
    ),
    "# The picture shows a line: `[1,\n# 2]`.": "# 图中有一条线：`[1, 2]`。",
    "A line that rises.": "一条上升的线。",
    "# ### 8.1 Twice": "# ### 8.1 两倍",
    "# *Code, 20 minutes.*": "# *编程，20分钟。*",
    "[Solution]": "[解答]",
    "# Write a function that doubles.": "# 写一个函数，返回两倍。",
    '"""Double a number."""': '"""把一个数变成两倍。"""',
}
SOLUTIONS = """\
# %% [markdown]
# # Solutions to chapter 08
#
# To [Add numbers](../08_sums.ipynb).

# %% [markdown]
# ## 8.1 Twice
#
# *Code, 20 minutes.*
# [Exercise](../08_sums.ipynb#cell-id=exercise-8-1)
#
# Write a function that doubles.

# %% [markdown]
# **Idea.** Add it to itself.

# %%
def twice(x):
    return x + x


# %%
check.twice(twice)
"""
CHINESE_SOLUTIONS = {
    "# # Solutions to chapter 08": "# # 第08章 解答",
    "# To [Add numbers](../08_sums.ipynb).": (
        "# 解答[把数相加](../08_sums.ipynb)的练习。"
    ),
    "# ## 8.1 Twice": "# ## 8.1 两倍",
    "# *Code, 20 minutes.*": "# *编程，20分钟。*",
    "[Exercise]": "[练习]",
    "# Write a function that doubles.": "# 写一个函数，返回两倍。",
    "# **Idea.** Add it to itself.": "# **思路**。与自身相加。",
}


def begin(root: Path) -> Page:
    """Write the book, with its history in git; return the Chinese chapter."""
    english = Page("en", "chapter", "08_sums", root)
    chinese = replace(english, language="zh")
    chinese.solutions.folder.mkdir(parents=True)
    english.solutions.folder.mkdir()
    for name in ("words.toml", "terms.toml"):
        shutil.copy(CHAPTERS / "zh" / name, root / "zh")
    for original, text, said in (
        (english, ENGLISH, CHINESE),
        (english.solutions, SOLUTIONS, CHINESE_SOLUTIONS),
    ):
        original.source.write_text(HEAD + text, "utf-8")
        run(original)
        for old, new in said.items():
            assert old in text, old
            text = text.replace(old, new)
        page = replace(original, language="zh")
        page.source.write_text(HEAD + text, "utf-8")
        assert list(edition.accept(page)) == []
    git(root, "init", "-q")
    commit(root)
    return chinese


def run(page: Page) -> None:
    """Store a notebook as a run would, with outputs that it might have."""
    notebook = files.read_source(page)
    pairs.remember(notebook)
    notebook.metadata.language_info = {"name": "python", "version": "3"}
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number
        data = {"text/plain": str(number)}
        if cell.source.startswith("check."):
            state = State.SOLVED if page.is_solutions else State.BLANK
            report = Report("8.1 Twice", state, ("twice doubles",))
            data = {
                "text/plain": report.as_text(),
                "text/markdown": report.as_markdown(),
                MIME: report.to_json(),
            }
        output = new_output("execute_result", data, execution_count=number)
        cell.outputs = [output]
    notebook = made(page, notebook, stored.variant(files.settings()))
    page.notebook.write_text(nbformat.writes(notebook) + "\n", "utf-8")


def edit(page: Page, old: str, new: str) -> None:
    """Change a source."""
    text = page.source.read_text("utf-8")
    assert old in text, old
    page.source.write_text(text.replace(old, new, 1), "utf-8")


def commit(root: Path) -> None:
    """Commit all that there is."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=More")


def git(root: Path, *command: str) -> None:
    """Run git, as somebody."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *command], cwd=root, check=True)

"""The linter of prose finds what the writing guide refuses, in Markdown and in strings, and nothing in code."""

import pytest
from judges import prose

GUIDE = """\
## Phrases that the linter refuses

| write | not |
|---|---|
| by default | unless told, if nobody says otherwise |
| forever | for ever |

## Next
"""


def found(path, text):
    path.write_text(text)
    return [(line, phrase.text, phrase.wanted) for line, phrase in prose.findings(path, prose.phrases(GUIDE))]


def test_a_phrase_is_found_across_a_line_break_and_in_any_case(tmp_path):
    text = "It is 5\nUnless\ntold. It runs for ever.\n"

    assert found(tmp_path / "page.md", text) == [(2, "unless told", "by default"), (3, "for ever", "forever")]


def test_code_of_a_page_is_exempt_and_keeps_the_lines(tmp_path):
    text = "```console\nfor ever\n```\n`for ever`, and\nfor ever\n"

    assert found(tmp_path / "page.md", text) == [(5, "for ever", "forever")]


def test_a_part_of_a_word_is_not_a_phrase(tmp_path):
    assert found(tmp_path / "page.md", "for everyone; for ever-green\n") == []


def test_strings_of_python_are_checked_but_not_names_comments_and_single_words(tmp_path):
    text = 'ever = {}  # for ever\nraise ValueError(f"{ever} waits for ever")\nkey = "for"\n'

    assert found(tmp_path / "module.py", text) == [(2, "for ever", "forever")]


def test_a_guide_without_the_table_is_an_error():
    with pytest.raises(ValueError, match="has no table 'Phrases that the linter refuses'"):
        prose.phrases("# Writing\n")


def test_a_finding_is_printed_with_its_place_and_ends_with_1(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("It runs\nfor ever.\n")

    assert prose.main([str(page)]) == 1
    assert capsys.readouterr().out == f"{page}:2: 'for ever': write forever, or \"never returns\"\n"


def test_a_path_that_does_not_exist_ends_with_2(tmp_path, capsys):
    assert prose.main([str(tmp_path / "no.md")]) == 2
    assert capsys.readouterr().err == f"prose: no such file or folder: {tmp_path / 'no.md'}\n"


def test_the_pages_of_the_project_follow_the_guide(capsys):
    assert prose.main([]) == 0, capsys.readouterr().out

"""Links of pages that are looked at by way of the API server."""

from __future__ import annotations

import pytest

from labkit.embedded.api.streams.pages import Pages

HERE = "/api/v1/namespaces/dev/pods/web/proxy"


@pytest.fixture
def pages() -> Pages:
    return Pages(HERE, {"127.42.0.2:80", "localhost:8001"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/", f"{HERE}/"),
        ("/a/b?c=d#e", f"{HERE}/a/b?c=d#e"),
        ("http://127.42.0.2:80/a", f"{HERE}/a"),
        ("//localhost:8001/a", f"{HERE}/a"),
        (f"{HERE}/a", f"{HERE}/a"),
        ("a/b", "a/b"),
        ("#here", "#here"),
        ("http://elsewhere.example/a", "http://elsewhere.example/a"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_a_link(pages: Pages, before: str, after: str) -> None:
    assert pages.link(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<a class=x href='/a&amp;b'>", f'<a class=x href="{HERE}/a&amp;b">'),
        (b"<IMG SRC=/a>", f'<IMG SRC="{HERE}/a">'),
        (b"<div href='/a'>", "<div href='/a'>"),
        (b"<a title='/a'>", "<a title='/a'>"),
        (b"<!-- <a href='/a'> -->", "<!-- <a href='/a'> -->"),
        (b"<script>x = '<a href=\"/a\">'</script>", "<script>x = '<a href=\"/a\">'</script>"),
        (b"<script src='/s.js'></script>", f'<script src="{HERE}/s.js"></script>'),
        (b"1 < 2 <a href='/a'", "1 < 2 <a href='/a'"),
    ],
)
def test_a_page(pages: Pages, before: bytes, after: str) -> None:
    assert pages.page(before).decode() == after

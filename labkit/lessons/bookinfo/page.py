"""The bookshop's pages as HTML: no other file is needed to look at them."""

from __future__ import annotations

from html import escape
from typing import Any

STARS = 5
TITLE = "Simple Bookstore App"
COLUMNS = {
    "ISBN-10": "ISBN-10",
    "Publisher": "publisher",
    "Pages": "pages",
    "Type": "type",
    "Language": "language",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: #1f2430 }
header { background: #466bb0; color: #fff; padding: .6rem 2rem; display: flex;
  justify-content: space-between }
main { max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .4rem .8rem; border: 1px solid #ccc; text-align: left }
section { border-left: 4px solid #466bb0; padding: .2rem 1rem; margin: 1rem 0 }
.error { color: #a30000 } header a { color: #fff }
"""


def product(book: dict[str, Any], details: tuple[int, Any], reviews: tuple[int, Any], user: str) -> str:
    """The page of *book*: each answer with the status that it came with."""
    return _page(
        _who(user)
        + f"<main><h1>{escape(book['title'])}</h1><p>{book['descriptionHtml']}</p>"
        + (_details(details[1]) if details[0] == 200 else _missing("details", details[1]))
        + (_reviews(reviews[1]) if reviews[0] == 200 else _missing("reviews", reviews[1]))
        + "</main>"
    )


def index() -> str:
    """The first page."""
    return _page(
        _who("")
        + "<main><h1>Bookinfo</h1><p>A bookshop of four services: productpage asks details and reviews, "
        'reviews ask ratings.</p><ul><li><a href="/productpage?u=normal">Normal user</a></li>'
        '<li><a href="/productpage?u=test">Test user</a></li></ul></main>'
    )


def _page(body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{TITLE}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _who(user: str) -> str:
    form = (
        f'<span>{escape(user)} <a href="logout">Sign out</a></span>'
        if user
        else '<form method="post" action="login" name="login_form">'
        '<input name="username" placeholder="Username" aria-label="Username" required>'
        '<input name="passwd" type="password" placeholder="Password" aria-label="Password">'
        '<button type="submit">Sign in</button></form>'
    )
    return f"<header><strong>BookInfo Sample</strong>{form}</header>"


def _missing(what: str, answer: Any) -> str:
    return f'<p class="error">Error fetching product {what}</p>\n<p>{escape(str(answer["error"]))}</p>'


def _details(details: dict[str, Any]) -> str:
    heads = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    cells = "".join(f"<td>{escape(str(details.get(key, '')))}</td>" for key in COLUMNS.values())
    rows = f"<thead><tr>{heads}</tr></thead><tbody><tr>{cells}</tr></tbody>"
    return f"<h4>Book Details</h4>\n<table>{rows}</table>"


def _reviews(reviews: dict[str, Any]) -> str:
    told = "".join(_review(each, reviews) for each in reviews.get("reviews") or [])
    return f"<h4>Book Reviews</h4>\n{told}"


def _review(review: dict[str, Any], reviews: dict[str, Any]) -> str:
    cluster = reviews.get("clustername", "null")
    where = f" on cluster {escape(cluster)}" if cluster != "null" else ""
    return (
        f"<section>{_rating(review.get('rating') or {})}<blockquote>&ldquo;{escape(review['text'])}&rdquo;"
        f"</blockquote><div>{escape(review['reviewer'])}</div>"
        f"<div>Reviews served by: {escape(str(reviews.get('podname')))}{where}</div></section>\n"
    )


def _rating(rating: dict[str, Any]) -> str:
    if "error" in rating:
        return f'<p class="error">{escape(rating["error"])}</p>'
    if "stars" not in rating:
        return ""
    stars, color = int(rating["stars"]), escape(str(rating.get("color")))
    full = f'<span class="glyphicon glyphicon-star" style="color:{color}">★</span>\n' * stars
    return f'<p aria-label="{stars} of {STARS} stars">{full}{"☆" * (STARS - stars)}</p>'

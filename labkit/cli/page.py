"""The HTML page of an executed notebook: one file that asks nobody for anything.

nbconvert's own template fetches MathJax, mermaid and a loader of scripts from two CDNs, and the book has
neither formulas nor diagrams of that kind; a page that is read in a train, or behind a firewall, would wait.
"""

from __future__ import annotations

from pathlib import Path

_TEMPLATE = """{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""

_CODE_FONT = "var(--jp-code-font-size)/1.4 var(--jp-code-font-family)"
_STYLE = (
    # Manifests as JupyterLab shows them: nbconvert's own rule would set them in the font of prose.
    f".jp-OutputArea-output.jp-RenderedMarkdown pre {{ font: {_CODE_FONT}; }}"
    ".jp-RenderedImage img { max-width: 100%; height: auto; }"
)


def write_page(executed: Path) -> None:
    """Write the page of an *executed* notebook beside it."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(raw_template=_TEMPLATE)  # type: ignore[no-untyped-call]
    page, _ = exporter.from_filename(str(executed))
    page = page.replace("</head>", f"<style>{_STYLE}</style></head>", 1)
    executed.with_suffix(".html").write_text(page, encoding="utf-8")

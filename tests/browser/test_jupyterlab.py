"""JupyterLab as a learner finds it: the first notebook opens, a terminal knows the cluster, buttons work."""

import re
import shutil
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TERMINAL = "window.jupyterapp.shell.currentWidget.content"
# What is shown is a picture; this is its text.
SCREEN = f"""() => {{
  const shown = {TERMINAL}._term.buffer.active, rows = [...Array(shown.length).keys()];
  return rows.map(row => shown.getLine(row).translateToString(true)).join('\\n');
}}"""
NEWS = "@jupyterlab/apputils-extension:announcements"
DONE, SOME, ALL = (re.compile(words) for words in (r"^Done\.$", r"promises hold\.$", r"this step is done\.$"))


def test_the_first_notebook_opens(desk, page, capsys):
    page.goto(desk.first)
    page.get_by_role("heading", name="0 · Prepare: a service mesh of your own").wait_for()
    with capsys.disabled():
        print(f"\nlabkit lab to the first notebook seen: {time.monotonic() - desk.began:.1f} s", end=" ")
    assert not page.evaluate(f"jupyterapp.isPluginActivated({NEWS!r})"), "it would ask whether to fetch news"
    assert page.problems == []


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl here; install it to run this test")
def test_kubectl_works_at_once_in_a_terminal(desk, page, screenshots):
    page.goto(desk.first)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.get_by_text("| Idle").wait_for()
    page.evaluate("jupyterapp.commands.execute('terminal:create-new')")
    page.locator(".lm-TabBar-tab:has-text('Terminal')").click()  # the notebook may have come to the front
    page.wait_for_function(f"{TERMINAL}._term?.buffer.active.getLine(0)?.translateToString(true)")
    page.keyboard.type("kubectl get pods -A")
    page.keyboard.press("Enter")
    page.wait_for_function(f"({SCREEN})().includes('istio-ingressgateway-')")
    page.wait_for_function(f"/istiod-\\S+ +1\\/1 +Running/.test(({SCREEN})())")
    page.screenshot(path=screenshots / "terminal.png")
    page.evaluate(f"{TERMINAL}.session.shutdown()")
    assert page.problems == []


def test_check_and_bring_me_here_by_mouse(opened, page):
    """Before the step a check finds what is missing; after "Show me the end" nothing; and back again."""
    notebook = opened("02-outbound-to-service-b.ipynb")
    code = notebook.run_until("lab.guide(2)")
    guide = notebook.show(code["index"])
    see(guide, "Bring me here", DONE)
    see(guide, "Check", SOME)
    assert "✗" in guide.inner_text()
    notebook.shoot("guide-beginning")
    see(guide, "Show me the end", DONE)
    see(guide, "Check", ALL)
    assert "✗" not in guide.inner_text()
    notebook.shoot("guide-end")
    see(guide, "Bring me here", DONE)
    see(guide, "Check", SOME)
    assert page.problems == []


def see(guide, button, words):
    """Press *button*; *words* come."""
    guide.locator(f"button.widget-button:has-text('{button}')").click()
    guide.get_by_text(words).wait_for(timeout=40_000)

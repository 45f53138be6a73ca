"""A report opened in a browser: whole in itself, readable by everybody; and a forged one is told."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from labkit import Lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def report(own_cluster, tmp_path_factory):
    """A report of somebody who has checked, answered, and driven a release that was rolled back."""
    with Lab(kubeconfig=own_cluster.kubeconfig) as lab:
        lab.goto(3, finished=True)
        lab.check(3)
        lab.quiz(3).answer(1)
        lab.task(3).check()
        lab.apply("producer-internal-host-vs.yml")
        lab.shift(to="C", steps=[10, 100], requests=30)
    file = tmp_path_factory.mktemp("report") / "report.html"
    own_cluster.labkit("report", "-o", file)
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_whole_in_itself(browser, report, screenshots, scheme):
    """No request leaves the file, no fault in the console, nothing serious for axe; it prints."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1024, "height": 700})
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    page.screenshot(path=screenshots / f"report-{scheme}.png", full_page=True)

    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert said == []
    picture = page.get_by_role("img", name="The share of ServiceC over time")
    assert picture.evaluate("one => one.complete && one.naturalWidth > 300")
    assert page.get_by_role("heading", name="Step 3, Split between ServiceB and ServiceC").count() == 1
    assert page.get_by_role("table").count() >= 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 10_000

    # axe is a script, which the page forbids: its copy without that sentence is looked at.
    page = context.new_page()
    page.set_content(re.sub(r"<meta http-equiv=.*?>", "", report.read_text(encoding="utf-8")))
    found = Axe().run(page, options=RULES).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in SERIOUS] == []
    context.close()


def test_a_script_in_it_does_not_run(browser, report, tmp_path):
    """Whoever mails one to a teacher can't have it do anything there."""
    evil = tmp_path / "evil.html"
    text = report.read_text(encoding="utf-8")
    evil.write_text(
        text.replace("</main>", "<script>document.title = 'ran'</script></main>"), encoding="utf-8"
    )
    page = browser.new_page()
    page.goto(evil.as_uri())
    assert page.title() == "What was done in the lab"
    page.close()


def another_verdict(text):
    """In the document, as the page shows it already."""
    element = r'(id="labkit-report">)(.*?)(</script>)'
    found = json.loads(re.search(element, text)[2])
    for promise in found["steps"][3]["task"][0]["promises"]:
        promise["holds"] = True
    return re.sub(element, lambda one: one[1] + json.dumps(found).replace("<", "\\u003c") + one[3], text)


FORGERIES = {
    "seen": (lambda text: text.replace("does not hold", "holds"), 5, "in 1 part: what the page shows."),
    "json": (another_verdict, 5, "in 1 part: step 3."),
    "unsigned": (
        lambda text: re.sub(r'(id="labkit-signature">).*?(</script>)', r"\1\2", text),
        4,
        "unsigned: nothing shows whether it was changed.",
    ),
}


@pytest.mark.parametrize(("forge", "status", "told"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_one_is_told(own_cluster, report, tmp_path, forge, status, told):
    text = report.read_text(encoding="utf-8")
    forged = tmp_path / "forged.html"
    forged.write_text(forge(text), encoding="utf-8")
    assert forged.read_text(encoding="utf-8") != text
    assert "intact: as the cluster at https://" in own_cluster.labkit("report", "--verify", report).stdout
    done = own_cluster.labkit("report", "--verify", report, forged, check=False)
    assert done.returncode == status
    assert done.stdout.splitlines()[1].endswith(told)


def test_one_of_another_cluster_is_told(own_cluster, bench, report):
    """And known again by the fingerprint that somebody noted."""
    noted = own_cluster.labkit("report", "--fingerprint").stdout.strip()
    bench.labkit("up", "--no-istio")
    done = bench.labkit("report", "--verify", report, check=False)
    assert done.returncode == 3
    assert "signed by another cluster than the cluster at https://127.0.0.1:" in done.stdout
    assert f"with the key {noted}" in done.stdout
    assert "intact" in bench.labkit("report", "--verify", report, "--key", noted).stdout

"""A signed report is told from a forged one, whatever was forged."""

import json
import re

import pytest

from labkit.record import envelope
from labkit.record.report import SCHEMA_FILE
from labkit.record.signature import checked, known_keys, sign
from labkit.record.verdict import Finding, judge
from labkit.views.report.one import report_page

from .made import Signer, document

OF = "the school's cluster"


@pytest.fixture(scope="module")
def school():
    return Signer()


def page_of(signer, found, namespace="labkit-record-anna"):
    page = report_page(found)
    return envelope.filled(page, found, sign(signer, namespace, envelope.signed_texts(found, page)))


def json_of(signer, found, namespace="labkit-record-anna"):
    return envelope.as_json(found, sign(signer, namespace, envelope.signed_texts(found, None)))


@pytest.fixture
def verdict(tmp_path, school):
    """What is said of a text, by the school's keys."""

    def judged(text, *named):
        file = tmp_path / "report.html"
        file.write_bytes(text.encode())
        return judge(file, known_keys(school.keys), OF, named)

    return judged


@pytest.mark.parametrize("kind", ["EC", "RSA"])
@pytest.mark.parametrize("form", [page_of, json_of], ids=["page", "json"])
def test_as_it_was_signed(tmp_path, form, kind):
    """Whichever kind of key the cluster has."""
    signer, file = Signer(kind), tmp_path / "anna"
    file.write_text(form(signer, document()), encoding="utf-8")
    found = judge(file, known_keys(signer.keys), OF)
    assert found.finding is Finding.INTACT
    assert re.search(
        r"intact: as the school's cluster signed it at .* UTC, for anna \(key [\w-]{43}\)\.", str(found)
    )


def test_mail_may_change_the_ends_of_lines(verdict, school):
    assert verdict(page_of(school, document()).replace("\n", "\r\n")).finding is Finding.INTACT


def changed_in_json(text, change):
    """The page with another document in it."""
    element = r'(id="labkit-report">)(.*?)(</script>)'
    found = json.loads(re.search(element, text)[2])
    change(found)
    return re.sub(element, lambda m: m[1] + json.dumps(found).replace("<", "\\u003c") + m[3], text)


def better(found):
    found["steps"][2]["checks"][0]["promises"][0]["holds"] = True


FORGED = {
    "what is seen": (lambda text: text.replace("does not hold", "holds", 1), "1 part: what the page shows."),
    "a verdict": (lambda text: changed_in_json(text, better), "1 part: step 2."),
    "a step taken out": (
        lambda text: changed_in_json(text, lambda one: one["steps"].pop()),
        "1 part: step-2.",
    ),
    "whose it is": (
        lambda text: changed_in_json(text, lambda one: one["about"].update(learner="boris")),
        "1 part: about.",
    ),
    "a script": (lambda text: text.replace("</main>", "</main><script>1</script>"), "what the page shows."),
    "a second document": (
        lambda text: text.replace(
            "</body>", '<script type="application/json" id="labkit-report">{}</script></body>'
        ),
        "what the page shows.",
    ),
    "two parts": (
        lambda text: changed_in_json(text.replace("does not hold", "holds", 1), better),
        "2 parts: step 2, what the page shows.",
    ),
}


@pytest.mark.parametrize(("forge", "told"), FORGED.values(), ids=FORGED)
def test_what_was_changed_is_named(verdict, school, forge, told):
    text = page_of(school, document())
    forged = forge(text)
    assert forged != text
    found = verdict(forged)
    assert found.finding is Finding.CHANGED
    assert found.words.startswith("changed since it was signed")
    assert found.words.endswith(told)


def test_a_signature_for_json_is_none_for_a_page(verdict, school):
    """Else anybody could show anything around a document that is intact."""
    found = document()
    signature = json.loads(json_of(school, found))["signature"]
    assert verdict(envelope.filled(report_page(found), found, signature)).finding is Finding.CHANGED


def test_without_its_signature(verdict, school):
    text = re.sub(r'(id="labkit-signature">).*?(</script>)', r"\1\2", page_of(school, document()))
    found = verdict(text)
    assert found.finding is Finding.UNSIGNED
    assert found.words == "unsigned: nothing shows whether it was changed."
    assert verdict(envelope.as_json(document(), None)).finding is Finding.UNSIGNED


def test_of_another_cluster(verdict):
    other = Signer()
    found = verdict(page_of(other, document()))
    assert found.finding is Finding.OTHER_CLUSTER
    (name,) = known_keys(other.keys)
    assert f"signed by another cluster than {OF}: with the key {name}" in found.words
    assert verdict(page_of(other, document()), name).finding is Finding.INTACT, "whose key was noted before"
    forged = changed_in_json(page_of(other, document()), better)
    assert "changed since it was signed, in 1 part: step 2." in verdict(forged).words
    assert verdict(forged, name).finding is Finding.CHANGED


def test_a_key_enclosed_under_anothers_name_is_no_key_of_theirs(verdict, school):
    """A fingerprint is computed, not read: ``kid`` may say anything."""
    (name,) = known_keys(school.keys)
    other = Signer()
    text = json.loads(json_of(other, document()))
    text["signature"]["keys"]["keys"][0]["kid"] = name
    assert verdict(json.dumps(text), name).finding is Finding.OTHER_CLUSTER


def test_signed_for_somebody_else(verdict, school):
    """Boris may have the cluster sign what he likes, and can't sign as anna."""
    found = verdict(page_of(school, document("anna"), "labkit-record-boris"))
    assert found.finding is Finding.CHANGED
    assert found.words == "changed hands: it says that it is anna's, and was signed for boris."
    pod = sign(school, "dev-service-mesh-anna", envelope.signed_texts(document(), None))
    assert verdict(envelope.as_json(document(), pod)).finding is Finding.CHANGED


def test_a_token_that_was_meant_for_something_else(verdict, school):
    token = {
        "token": school.token(["https://kubernetes.default.svc"], "labkit-record-anna"),
        "keys": school.keys,
    }
    assert verdict(envelope.as_json(document(), token)).finding is Finding.CHANGED


def test_without_the_clusters_keys_in_it(verdict, school):
    """A learner may not be allowed to ask for them; whoever verifies may."""
    quiet = Signer()
    quiet.key, quiet.tells_keys = school.key, False
    assert verdict(page_of(quiet, document())).finding is Finding.INTACT
    quiet.key = Signer().key
    found = verdict(page_of(quiet, document()))
    assert found.finding is Finding.OTHER_CLUSTER
    assert "the file has no key that made it" in found.words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[]",
        "<html></html>",
        '{"report": {"schema": "labkit-report/1"}, "signature": null}',
        "[" * 9999,
    ],
)
def test_what_is_no_report(verdict, text):
    found = verdict(text)
    assert found.finding is Finding.NO_REPORT
    assert found.words == "it is no report of labkit's."


def test_what_is_no_text(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    assert judge(tmp_path / "picture.png", {}, OF).finding is Finding.NO_REPORT


def test_a_public_key_is_no_password(school):
    """A token "signed" with the published key itself, by a symmetric algorithm, is none."""
    import jwt

    (key,) = known_keys(school.keys).values()
    forged = jwt.encode({"aud": [], "sub": "x"}, "k" * 64, "HS256")
    assert checked(forged, {"x": key}) is None
    unsigned = jwt.encode({"aud": [], "sub": "x"}, None, "none")
    assert checked(unsigned, {"x": key}) is None


def test_json_is_as_its_schema_says(school):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(json_of(school, document())), schema)
    jsonschema.validate(json.loads(envelope.as_json(document("", []), None)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": "labkit-report/1", "report": {}, "signature": None}, schema)

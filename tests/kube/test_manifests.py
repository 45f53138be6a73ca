"""Manifests read, and unreadable ones explained."""

import pytest

from labkit.errors import ManifestError
from labkit.kube.api.manifests import Source, parse, read

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n"


def test_documents_and_lists():
    listed = 'apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: "y"}}]\n'

    found = parse(Source(f"---\n{POD}---\n# nothing\n---\n{listed}"))

    assert [one.object["metadata"]["name"] for one in found] == ["x", "y"]
    assert [one.line for one in found] == [2, 9]


def test_a_file_is_found_by_its_name(tmp_path):
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "pod.yml").write_text(POD)

    source = read("pod.yml", [tmp_path])

    assert source.name == "pod.yml"
    assert parse(source)[0].place == "pod.yml, line 1"


def test_a_path_is_a_path(tmp_path):
    (tmp_path / "pod.yml").write_text(POD)

    assert read(tmp_path / "pod.yml").text == POD


def test_a_name_nobody_has(tmp_path):
    with pytest.raises(ManifestError, match=r"no manifest 'pad\.yml', .* Check its name"):
        read("pad.yml", [tmp_path])
    (tmp_path / "pod.yml").write_text(POD)
    with pytest.raises(ManifestError, match=r"Did you mean 'pod\.yml'\?"):
        read("pad.yml", [tmp_path])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n   labels: {}\n", "line 5"),
        ("kind: Pod\n\tname: x\n", "line 2"),
        ("a: [1, 2\n", "line 2"),
        ("a: 1\na: 2\n", "line 2"),
    ],
)
def test_broken_yaml_names_the_line(text, line):
    with pytest.raises(ManifestError, match=line) as error:
        parse(Source(text))

    assert "indentation" in str(error.value)


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("kind: Pod\n", "apiVersion, metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: oops\n", "metadata.name"),
        ("just: words\n", "apiVersion, kind, metadata.name"),
    ],
)
def test_what_is_no_object(text, lacks):
    with pytest.raises(ManifestError, match=f"lacks {lacks}"):
        parse(Source(text))


@pytest.mark.parametrize("text", ["- a\n- b\n", '"text"\n'])
def test_what_is_no_mapping(text):
    with pytest.raises(ManifestError, match="no object"):
        parse(Source(text))


@pytest.mark.parametrize("text", ["# only a comment\n", "---\n---\n"])
def test_what_is_empty(text):
    with pytest.raises(ManifestError, match="holds no object"):
        parse(Source(text))


def test_tags_run_nothing():
    with pytest.raises(ManifestError):
        parse(Source("!!python/object/apply:os.system [echo]\n"))


def test_it_shows_itself():
    assert Source(POD)._repr_markdown_().startswith("`YAML text`\n```yaml\napiVersion: v1")

"""What a rule was is noted in it while a shift lasts, and nothing of that is left behind."""

import jsonpatch
import pytest

from labkit.release.finding import rule_of
from labkit.release.note import MIRRORING, WEIGHTS, Before, as_before, before, patch_back, patch_to_note

from .world import B, C, plain, virtual_service

MIRROR = {"mirror": C, "mirrorPercentage": {"value": 100}}


def patched(obj, patch):
    return jsonpatch.apply_patch(obj, patch)


@pytest.mark.parametrize("annotations", [None, {}, {"team": "blue"}, {"a/b~c": "x"}])
def test_it_is_noted_and_taken_out_again(annotations):
    found = virtual_service(**({} if annotations is None else {"annotations": annotations}))

    noted = patched(found, patch_to_note(rule_of(found), Before((100, None))))
    assert before(rule_of(noted)) == Before((100, None))
    assert patch_to_note(rule_of(noted), Before((1, 2))) == [], "the first weights count"

    both = patched(noted, patch_to_note(rule_of(noted), Before((1, 2), {"mirrors": []})))
    assert before(rule_of(both)) == Before((100, None), {"mirrors": []})
    assert patched(both, patch_to_note(rule_of(both), Before((1, 2)))) == noted

    after = patched(both, patch_to_note(rule_of(both), None))
    assert (after["metadata"].get("annotations") or {}) == (annotations or {})
    assert patch_to_note(rule_of(after), None) == []


@pytest.mark.parametrize("odd", ["no json", "{}", "[]", '["a", 1]', "[1, 2, 3]", "[true, 1]", None])
def test_a_note_that_is_none_is_ignored(odd):
    found = virtual_service(annotations={WEIGHTS: odd})

    assert before(rule_of(found)) is None
    assert as_before(rule_of(found)).object == found


def test_mirroring_that_is_no_object_is_ignored():
    found = virtual_service(annotations={WEIGHTS: "[100, null]", MIRRORING: "7"})

    assert before(rule_of(found)) == Before((100, None))


@pytest.mark.parametrize(
    "own", [{}, {"mirror": B}, {"mirror": C, "mirrorPercent": 5}, {"mirrors": [{"destination": B}]}]
)
def test_everything_a_shift_changes_comes_back(own):
    """A destination that joined, weights, copies, the note: whatever state it was left in."""
    was = virtual_service([{"route": [{"destination": B}], "retries": {"attempts": 2}, **own}])
    rule = rule_of(was)
    wide = rule.joined_by(C)

    with_copies = patched(
        was,
        [*rule.patch_mirroring_to(MIRROR), *patch_to_note(rule, Before(rule.written, rule.mirroring))],
    )
    with_weights = patched(
        was, [*rule.patch_to(wide.with_weights([9, 1])), *patch_to_note(rule, Before((None,)))]
    )

    for left in (with_copies, with_weights, was):
        now = rule_of(left)
        assert plain(as_before(now).object)["spec"] == was["spec"]
        assert patched(left, patch_back(now, rule)) == was

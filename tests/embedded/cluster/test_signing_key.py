"""The key that signs tokens: kept from start to start, and made anew where it is damaged."""

import logging
import stat

import pytest

from labkit.embedded.api.access.keys import BadTokenError
from labkit.embedded.cluster import signing_key


def test_a_token_outlives_a_restart(tmp_path):
    token = signing_key.of(tmp_path).sign({"sub": "me"})

    assert signing_key.of(tmp_path).claims(token)["sub"] == "me"
    assert stat.S_IMODE((tmp_path / signing_key.NAME).stat().st_mode) == 0o600


def test_no_key_is_made_before_it_is_needed(tmp_path):
    signing_key.of(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_is_replaced_and_told(tmp_path, caplog, content):
    token = signing_key.of(tmp_path).sign({"sub": "me"})
    (tmp_path / signing_key.NAME).write_bytes(content)

    with caplog.at_level(logging.WARNING), pytest.raises(BadTokenError):
        signing_key.of(tmp_path).claims(token)

    assert "held no key" in caplog.text
    again = signing_key.of(tmp_path)
    assert again.claims(again.sign({"sub": "me"}))["sub"] == "me"

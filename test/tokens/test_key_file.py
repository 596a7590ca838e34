"""Key files: only their owner reads them, and none is overwritten; and what is no public key."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safety_supervisor.acts.agent_cli import app
from safety_supervisor.config.public_key import decode_base64url, encode_base64url, refuse_public_key
from safety_supervisor.tokens.key_file import KeyFileError, public_text, read_key, write_new_key

P = 2**255 - 19


def test_a_new_key_is_the_owner_s_and_is_read_again(tmp_path: Path) -> None:
    path, before = tmp_path / "planner.key", os.umask(0)
    try:
        key = write_new_key(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path).private_bytes_raw() == key.private_bytes_raw()
    assert refuse_public_key(public_text(key)) == ""


def test_none_is_overwritten_nor_written_through_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "planner.key", tmp_path / "link.key"
    write_new_key(path)
    held = path.read_bytes()
    result = CliRunner().invoke(app, ["key", "--out", str(path)])
    assert result.exit_code == 2
    assert "never overwritten" in result.output
    link.symlink_to(tmp_path / "elsewhere")
    assert CliRunner().invoke(app, ["key", "--out", str(link)]).exit_code == 2
    assert path.read_bytes() == held
    assert not (tmp_path / "elsewhere").exists()


def test_the_command_prints_the_line_and_not_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "planner.key"
    result = CliRunner().invoke(app, ["key", "--out", str(path)])
    assert result.exit_code == 0
    held = json.loads(path.read_text())
    assert f"public_key: {held['x']}" in result.output
    assert held["d"] not in result.output


def test_what_others_can_read_or_what_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "planner.key"
    write_new_key(path)
    held = json.loads(path.read_text())
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="others"):
        read_key(path)
    path.chmod(0o600)
    other = public_text(write_new_key(tmp_path / "other.key"))
    for wrong in ("", "[]", "{}", json.dumps(held | {"x": other}), json.dumps(held | {"d": "AAAA"}),
                  json.dumps(held | {"crv": "X25519"})):  # fmt: skip
        path.write_text(wrong)
        with pytest.raises(KeyFileError):
            read_key(path)
    with pytest.raises(KeyFileError):
        read_key(tmp_path / "none.key")


def test_a_file_made_to_hold_or_to_break_the_reader_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / "deep.key"
    deep.write_text("[" * 4000)
    deep.chmod(0o600)
    with pytest.raises(KeyFileError, match="JWK"):
        read_key(deep)
    pipe = tmp_path / "pipe.key"
    os.mkfifo(pipe, 0o600)
    refused: list[KeyFileError] = []

    def read() -> None:
        try:
            read_key(pipe)
        except KeyFileError as error:
            refused.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(5.0)
    assert [str(error) for error in refused] == [f"{pipe}: no regular file"], "it waits for a writer"


def test_a_full_disk_leaves_no_half_key_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "planner.key"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        result = CliRunner().invoke(app, ["key", "--out", str(path)])
    assert (result.exit_code, "No space left" in result.output) == (2, True), result.output
    assert not path.exists()
    assert CliRunner().invoke(app, ["key", "--out", str(path)]).exit_code == 0


@pytest.mark.parametrize("number", [0, 1, P - 1, 2**255, 2**255 + P - 1])
def test_points_of_low_order_are_no_keys(number: int) -> None:
    assert refuse_public_key(encode_base64url(number.to_bytes(32, "little"))) != ""


def test_an_order_eight_point_is_found_out() -> None:
    # RFC 7748's list, as Edwards y: the known encoding of a point of order 8.
    data = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    assert "low order" in refuse_public_key(encode_base64url(data))


@pytest.mark.parametrize("text", ["", "A", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "B", "é" * 43, "+" * 43])
def test_what_is_not_written_as_an_encoder_writes_it_is_no_key(text: str) -> None:
    assert "base64url" in refuse_public_key(text)


def test_numbers_beyond_the_field_and_points_beside_the_curve_are_none() -> None:
    assert "no point" in refuse_public_key(encode_base64url((P + 3).to_bytes(32, "little")))
    assert "no point" in refuse_public_key(encode_base64url((2).to_bytes(32, "little")))


def test_base64url_has_one_spelling() -> None:
    assert decode_base64url("AA") == b"\0"
    assert decode_base64url("AB") is None
    assert decode_base64url("A") is None

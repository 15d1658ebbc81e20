"""Which sources ran: what git knows, and nothing that nobody knows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tidemill import provenance


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit, apart from the package."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("first")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_a_clean_checkout_has_a_revision_and_no_change(checkout: Path) -> None:
    (checkout / "notes").write_text("not a source")
    code = provenance.code(checkout)
    assert len(code["revision"]) == 40
    assert code["changed"] is False


def test_a_changed_file_is_a_change(checkout: Path) -> None:
    (checkout / "file").write_text("second")
    assert provenance.code(checkout)["changed"] is True


def test_a_source_that_git_does_not_track_is_a_change(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = checkout / "src"
    package.mkdir()
    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert provenance.code(checkout)["changed"] is False
    (package / "new.py").write_text("")
    assert provenance.code(checkout)["changed"] is True


def test_outside_a_checkout_nobody_knows(tmp_path: Path) -> None:
    code = provenance.code(tmp_path)
    assert (code["revision"], code["changed"]) == ("", None)


def test_without_git_nobody_knows(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    code = provenance.code(checkout)
    assert (code["revision"], code["changed"]) == ("", None)
    assert len(code["package"]) == 64


def test_a_checkout_that_git_cannot_read_is_not_called_unchanged(checkout: Path) -> None:
    (checkout / ".git" / "index").write_bytes(b"damaged")
    assert provenance.code(checkout)["changed"] is None

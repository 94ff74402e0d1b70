"""`meterloop sorting nonce` as it is typed."""

from hashlib import sha256

from typer.testing import CliRunner

from cli.__main__ import app


def test_a_nonce_is_kept_for_oneself_and_never_written_over(tmp_path):
    file = tmp_path / "nonce"
    outcome = CliRunner().invoke(app, ["sorting", "nonce", str(file)])
    assert outcome.exit_code == 0, outcome.output
    made = bytes.fromhex(file.read_text("ascii").strip())
    assert len(made) == 32
    assert outcome.stdout.splitlines()[0] == sha256(made).hexdigest()
    assert file.stat().st_mode & 0o777 == 0o600
    again = CliRunner().invoke(app, ["sorting", "nonce", str(file)])
    assert again.exit_code == 2
    assert bytes.fromhex(file.read_text("ascii").strip()) == made

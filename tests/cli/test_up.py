"""`up` and the processes it starts: real ones, over a workspace whose model is tiny."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from uuid_utils import uuid7

from tests.cli.commands import SECONDS, ended, rest, started, until
from tidemill.adapters.child_process import Ended, ServerProcess, run_child
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.sql.ledger import SqlLedger
from tidemill.adapters.sql.upgrade import upgrade
from tidemill.bundle import BundleStore
from tidemill.cli.up import _pass_on
from tidemill.domain.errors import Unavailable
from tidemill.domain.events import (
    AliasMoved,
    RunFinished,
    SnapshotTaken,
    VerdictRecorded,
    VersionRegistered,
)
from tidemill.domain.types import Alias, ModelVersion, Run, Snapshot, Verdict
from tidemill.web.address import bind

ID = "s" * 64
Keep = Callable[..., Path]


@pytest.fixture
def keep(tmp_path: Path, tiny_files: Callable[..., dict[str, bytes]]) -> Keep:
    """`keep(recipe)`: the folder of a workspace whose champion v1 is the tiny model."""

    def write(recipe: str = "coffee") -> Path:
        home = tmp_path / "home"
        upgrade(home / "ledger.sqlite")
        bundle = BundleStore(home / "bundles").write(recipe, tiny_files())
        clock = SystemClock()
        now, run, verdict = clock.now(), str(uuid7()), str(uuid7())
        ledger = SqlLedger.existing(home / "ledger.sqlite", clock)
        with ledger.begin() as unit:
            unit.add(
                Snapshot(ID, recipe, 3, {}, {}, "stop", None, now),
                SnapshotTaken(actor="ana", subject=ID, rows=3),
            )
            unit.add(
                Run(run, recipe, ID, 0, {}, {}, {}, now),
                RunFinished(actor="ana", subject=run, weights=""),
            )
            unit.add(
                ModelVersion("v1", bundle, run, ID, recipe, None, now),
                VersionRegistered(actor="ana", subject="v1", bundle=bundle, run=run),
            )
            unit.add(
                Verdict(verdict, "v1", None, True, (), 1, now),
                VerdictRecorded(actor="ana", subject=verdict, version="v1", passed=True),
            )
            moved = AliasMoved(
                actor="ana", subject="v1", version="v1", before=None, verdict=verdict
            )
            unit.move_alias(Alias("champion", "v1", verdict, now), expected=None, event=moved)
        ledger.close()
        return home

    return write


def test_what_up_starts_ends_with_it_even_when_it_is_killed(keep: Keep) -> None:
    with started("up", "--port", "0", home=keep()) as process:
        url = until(process, r"listens on (\S+) ")[1]
        until(process, "^ready: v1 is served$")
        assert httpx.get(f"{url}/v1/ready", trust_env=False).json()["version"] == "v1"
        process.kill()
        assert "Traceback" not in rest(process)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v1/live", trust_env=False)


def test_up_that_is_told_to_end_stops_its_server(keep: Keep) -> None:
    with started("up", "--port", "0", home=keep()) as process:
        until(process, "listens on")
        process.send_signal(signal.SIGTERM)
        output = rest(process)
    assert (process.returncode, "Traceback" in output) == (0, False)
    assert "Stopping.\n" in output


def test_a_refused_champion_is_said(keep: Keep) -> None:
    home = keep()
    [bundle] = (home / "bundles").iterdir()
    (bundle / "card.md").write_text("another card")
    with started("serve", "--port", "0", home=home) as process:
        until(process, "champion v1 is refused: card.md of bundle")


def test_up_that_is_told_to_end_while_it_trains_ends_the_training(tmp_path: Path) -> None:
    with started("up", "--port", "0", home=tmp_path / "home") as process:
        until(process, "No champion in .*: training one")
        process.send_signal(signal.SIGTERM)
        output = rest(process)
    assert (process.returncode, "Traceback" in output) == (130, False)


def test_a_training_ends_when_up_is_killed(tmp_path: Path) -> None:
    with started("up", "--port", "0", home=tmp_path / "home") as process:
        until(process, "training one")
        process.kill()
        assert "Traceback" not in rest(process)


def test_a_port_in_use_is_said_before_the_training(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, output = ended("up", "--port", str(port), home=home)
    assert (code, output.count("error:")) == (4, 1)
    assert f"Port {port} of 127.0.0.1 is in use" in output
    assert "hint: Take a free one: --port 0" in output
    assert not home.exists()


def test_a_server_that_others_reach_needs_a_key_before_the_training(tmp_path: Path) -> None:
    every = "0.0.0.0"  # noqa: S104  nothing is bound for long
    code, output = ended("up", "coffee", home=tmp_path, TIDEMILL_HOST=every, TIDEMILL_PORT="0")
    assert code == 2
    assert "there is no API key" in output
    assert "--allow-anonymous" in output
    assert "training one" not in output
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_server_that_cannot_start_says_why_once(keep: Keep) -> None:
    code, output = ended("up", "--port", "0", home=keep("tea"))
    assert (code, output.count("error:")) == (4, 1)
    assert "The routes of recipe 'tea' are not installed" in output


def test_a_training_that_cannot_start_says_why_once(tmp_path: Path) -> None:
    code, output = ended("up", "cofee", "--port", "0", home=tmp_path / "home")
    assert (code, output.count("error:")) == (2, 1)
    assert "There is no recipe 'cofee'" in output


def test_a_ledger_that_cannot_be_read_is_no_reason_to_train(keep: Keep) -> None:
    home = keep()
    with sqlite3.connect(home / "ledger.sqlite") as db:
        db.execute("UPDATE alembic_version SET version_num = 'older'")
    db.close()
    code, output = ended("up", "--port", "0", home=home)
    assert (code, output.count("error:")) == (4, 1)
    assert "doctor --upgrade" in output
    assert "training" not in output


def test_a_server_that_was_killed_is_said() -> None:
    with pytest.raises(Unavailable, match="killed by signal 9"):
        _pass_on("server", -9)


def test_a_server_whose_reader_left_ends_without_a_trace(keep: Keep) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tidemill", "serve", "--port", "0", "--json", "--with-parent"],
        env={**os.environ, "TIDEMILL_HOME": str(keep())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    output = process.stderr.read()
    assert process.wait(SECONDS) == 141
    assert "Traceback" not in output
    process.stderr.close()
    assert process.stdin
    process.stdin.close()


@pytest.mark.parametrize("call", ["ServerProcess(home)", "run_child('train', 'x', home=home)"])
def test_a_start_that_is_interrupted_leaves_no_child(keep: Keep, call: str) -> None:
    """The alarm comes long before a child could be up, wherever in the start that is."""
    script = (
        "import os, pathlib, signal\n"
        "from tidemill.adapters.child_process import ServerProcess, run_child\n"
        "home = pathlib.Path(os.environ['TIDEMILL_HOME'])\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.1)\n"
        f"try:\n    {call}\n"
        "except KeyboardInterrupt:\n    pass\n"
        "try:\n    os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n    print('no child')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TIDEMILL_HOME": str(keep())},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.stdout, done.returncode) == ("no child\n", 0), done.stderr


def test_a_server_process_is_ended_by_its_block_and_tells_how_it_ended(
    keep: Keep, tmp_path: Path
) -> None:
    home = keep()
    with (tmp_path / "log").open("wb") as log:
        with ServerProcess(home, log=log) as server:
            assert server.ready().status_code in {200, 503}
        assert server.wait() == 0, "gracefully"
        with pytest.raises(Ended, match="exit code 4") as caught:
            ServerProcess(tmp_path / "nowhere", log=log)
    assert caught.value.exit_code == 4


def test_a_training_that_a_shell_started_in_the_background_ends_as_well(tmp_path: Path) -> None:
    """Such a process ignores SIGINT, which is what interrupts a training otherwise."""
    line = 'trap "" INT; exec "$0" -m tidemill train coffee --with-parent </dev/null'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],
        env={**os.environ, "TIDEMILL_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stderr) == (130, "error: Interrupted.\n")


def test_a_child_that_does_not_end_by_itself_is_ended() -> None:
    """It makes nothing of the interruption and would wait for ever."""
    script = (
        "import threading\n"
        "from tidemill.adapters import parent_process as parent\n"
        "parent.PATIENCE = 2.0\n"
        "try:\n    parent.interrupt_when_gone()\n    threading.Event().wait()\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
        "threading.Event().wait()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stdout) == (130, "interrupted\n")


def test_a_child_tells_its_exit_code(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_child("train", "cofee", home=tmp_path / "home") == 2
    assert "There is no recipe 'cofee'" in capfd.readouterr().err


def leader(home: Path, *, other_than: int = 0) -> int:
    """The process of the engine that leads, as soon as one does."""
    looking = threading.Event()
    with closing(sqlite3.connect(home / "ledger.sqlite")) as db:
        for _ in range(SECONDS * 100):
            row = db.execute("SELECT holder FROM leases").fetchone()
            if row and (pid := int(row[0].split(":")[1])) != other_than:
                return pid
            looking.wait(0.01)
    pytest.fail("no engine leads")


def test_an_engine_that_is_killed_ends_up_and_the_server(keep: Keep) -> None:
    home = keep()
    with started("up", "--port", "0", home=home) as process:
        url = until(process, r"listens on (\S+) ")[1]
        os.kill(leader(home), signal.SIGKILL)
        output = rest(process)
    assert (process.returncode, output.count("error:"), "Traceback" in output) == (4, 1, False)
    assert "The engine was killed by signal 9." in output
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v1/live", trust_env=False)


def test_an_engine_that_ends_by_itself_is_said_with_its_exit_code(keep: Keep) -> None:
    home = keep()
    with started("up", "--port", "0", home=home) as process:
        until(process, "listens on")
        os.kill(leader(home), signal.SIGTERM)
        output = rest(process)
    assert process.returncode == 0
    assert "The engine ended with exit code 0, so the rest is stopped, too." in output


def test_what_dies_is_started_again_when_up_was_told_so(keep: Keep) -> None:
    home = keep()
    pace = {"TIDEMILL_TICK_MS": "20", "TIDEMILL_LEASE_MS": "300"}
    with started("up", "--port", "0", "--restart", home=home, **pace) as process:
        url = until(process, r"listens on (\S+) ")[1]
        for _ in range(2):
            engine = leader(home)
            os.kill(engine, signal.SIGKILL)
            until(process, r"^The engine was killed by signal 9\. It is started again\.$")
            leader(home, other_than=engine)
        assert httpx.get(f"{url}/v1/live", trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        output = rest(process)
    assert (process.returncode, "Traceback" in output) == (0, False)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v1/live", trust_env=False)


def test_a_policy_in_the_recipe_s_place_is_usage(keep: Keep) -> None:
    code, output = ended("up", "trigger.autonomy=automatic", "--port", "0", home=keep())
    assert (code, output.count("error:")) == (2, 1)
    assert "tidemill up coffee trigger.autonomy=automatic" in output


def test_the_champion_of_another_recipe_is_not_served_in_its_place(keep: Keep) -> None:
    code, output = ended("up", "sentiment", "--port", "0", home=keep())
    assert code == 1
    assert "belongs to the recipe coffee, so sentiment is not served from it" in output

"""A bundle that was changed on the disk is not served, whether re-signed or not."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.forgery import tamper_bundle
from tidemill.testing import wait_until_ready

WAYS = {
    "a file changed": (False, "does not match its manifest"),
    "a file changed and its manifest recomputed": (True, "another manifest"),
}


def judge(demo: DemoRun) -> Outcome:
    for way, (sign, reason) in WAYS.items():
        workspace = demo.copy_base("tampered")
        tamper_bundle(workspace, workspace.champion(), sign=sign)
        with demo.start_server(workspace.home) as server:
            fault = wait_until_ready(server.url)
        expect(fault, f"{way}: it is served")
        expect(reason in fault, f"{way}: not served, but because of: {fault}")
    return Outcome(
        True,
        f"The server refuses {len(WAYS)} of {len(WAYS)} tampered bundles: {', and '.join(WAYS)}.",
    )


CLAIM = Claim(
    "tampering_refused",
    "A tampered bundle is refused, also when re-signed",
    "A file of the champion's bundle is changed on the disk, once with a manifest that is "
    "recomputed. The server must not be ready, and must say why.",
    judge,
)

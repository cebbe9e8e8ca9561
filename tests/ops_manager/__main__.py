"""Run the emulator by hand: prints where it is as JSON; SIGUSR1 presses the button, SIGTERM ends it."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Sequence

from tests.ops_manager import Emulator, Timing

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ops_manager", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--scenario", choices=("replica_set", "sharded"), default="replica_set")
    parser.add_argument("--sync-seconds", type=float, default=5.0)
    options = parser.parse_args(arguments)
    # Blocked before the server's threads begin, so that only the loop below gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    timing = Timing(sync=options.sync_seconds, snapshot=1.0)
    with Emulator(timing, port=options.port, two_factor=False) as om:
        cluster = om.add_replica_set() if options.scenario == "replica_set" else om.add_sharded_cluster()
        om.add_snapshot(cluster)
        om.raise_alert("RESYNC_REQUIRED", cluster)
        shown = {
            "url": om.url,
            "public_key": om.public_key,
            "private_key": om.private_key,
            "project": om.project_id,
            "cluster": cluster,
        }
        print(json.dumps(shown), flush=True)
        while signal.sigwait(SIGNALS) == signal.SIGUSR1:
            print(json.dumps({"resync": press(om, cluster)}), flush=True)


def press(om: Emulator, cluster: str) -> str:
    """Press the button, and return what the page says."""
    try:
        return om.press_resync(cluster)
    except RuntimeError as refusal:
        return str(refusal)


if __name__ == "__main__":
    main()

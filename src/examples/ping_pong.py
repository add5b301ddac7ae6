"""A processor in Python, with nothing but the standard library: answers each ping on a stream with one pong.

    python3 ping_pong.py http://127.0.0.1:4000 /games/chess

It claims what there is to do, folds the events, and commits each with what it answers. The server keeps the state and
how far it came, so either may be killed at any moment and started again. Of several copies one acts; the others wait.
MILLSTREAM_TOKEN is sent where it is set.
"""

import json
import os
import sys
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

BASE_URL, STREAM_PATH = sys.argv[1].rstrip("/"), sys.argv[2]
PROCESSOR = f"{BASE_URL}/api/processors/ping-pong-python"
CLAIM = {
    "version": 1,
    "streams": STREAM_PATH,
    "consumes": ["ping"],
    "emits": ["pong"],
    "startFrom": "start",
    # The answer comes once there is something to do, or after so long.
    "waitMillis": 10_000,
}
PAUSE_SECONDS = 1


class Refused(Exception):
    """The server's own words."""


def call(url, body=None):
    """POSTs a body, or GETs; returns what the reply says."""
    token = os.environ.get("MILLSTREAM_TOKEN")
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, headers), timeout=30) as reply:
            return json.load(reply)
    except HTTPError as error:
        raise Refused(f"{error.code}: {error.read().decode()}") from error


def reduce(state, ping):
    """The state after an event: pure."""
    return {"pings": state["pings"] + 1}


def answer(ping):
    """What an event leads to. Anyone may append anything, so a payload may be of any form."""
    payload = ping["payload"]
    sender = payload.get("from") if isinstance(payload, dict) else None
    return [{"type": "pong", "payload": {"to": sender}}] if isinstance(sender, str) else []


def work(instance):
    """Brings one stream up to date."""
    path, state = instance["streamPath"], instance["state"]
    # Without a state everything is folded from the first event on; what was answered is not answered again.
    after = 0 if state is None else instance["offset"]
    state = state or {"pings": 0}
    query = urlencode({"afterOffset": after, "live": "false", "types": "ping", "format": "json"})
    for ping in call(f"{BASE_URL}/api/streams{path}?{query}"):
        emit = answer(ping)
        if emit:
            state = reduce(state, ping)
        # The answer and how far it came are recorded together, or neither is.
        call(
            f"{PROCESSOR}/commit",
            {"epoch": instance["epoch"], "streamPath": path, "offset": ping["offset"], "state": state, "emit": emit},
        )


def main():
    owner = {}
    while True:
        try:
            # Every claim renews the right to act, and lists the streams that have something to do.
            claimed = call(f"{PROCESSOR}/claim", CLAIM | owner)
            owner = {"owner": claimed["owner"]}
            for instance in claimed["instances"]:
                work(instance)
            # Without an epoch another copy acts.
            if claimed["epoch"] is not None:
                continue
        except Refused as error:
            # 409: another copy acts now. 423: the stream is paused. The next claim says how to go on.
            print(error, file=sys.stderr)
        except (OSError, HTTPException, ValueError) as error:
            # It is not there, or it ended in the middle of a reply.
            print(f"{BASE_URL} does not answer: {error!r}", file=sys.stderr)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass

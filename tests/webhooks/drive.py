"""Events sent by the service to receivers that use the public libraries of Standard Webhooks, from PyPI and npm.

The service is the built program, with a simulated network; it is killed between attempts. Called by run.sh, with the folder
of the built programs and the program of Node.js.
"""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

PATIENCE = 120
HERE = Path(__file__).resolve().parent


class Program:
    """A process whose standard output is read line by line."""

    def __init__(self, *command, **more):
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more
        )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def line(self):
        return self.lines.get(timeout=PATIENCE)

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)


class Receiver(Program):
    def __init__(self, *command):
        super().__init__(*command)
        self.port = int(self.line())
        self.seen = []

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        while not json.loads(self._next()).get("told"):
            pass

    def _next(self):
        line = self.line()
        said = json.loads(line)
        if "id" in said:
            self.seen.append(said)
        return line

    def until(self, what, holds):
        """Reads until something holds of what it has seen."""
        end = time.monotonic() + PATIENCE
        while not holds(self.seen):
            assert time.monotonic() < end, f"{what}: {self.seen}"
            self._next()


def main(folder, node):
    built = Path(folder)
    work = Path(tempfile.mkdtemp(prefix="webhooks-"))
    simulator = Program(built / "tiktok-simulator", "--port", "0", "--auto-consent", "--describe", "--until-eof")
    described = json.loads(simulator.line())
    receivers = {"python": Receiver(sys.executable, HERE / "receiver.py"), "node": Receiver(node, HERE / "receiver.mjs")}
    mapped = [{"from": f"https://{name}.example", "to": f"http://127.0.0.1:{one.port}"} for name, one in receivers.items()]
    (work / "policy.json").write_text(json.dumps({"connect_to": described["connect_to"] + mapped}))
    (work / "app.json").write_text(json.dumps(described["app"]))
    environment = {
        "SOCIAL_CHANNEL_DATA": str(work / "data"),
        "SOCIAL_CHANNEL_POLICY": str(work / "policy.json"),
        "HOME": str(work),
        "PATH": os.environ["PATH"],
    }

    def say(*words):
        command = [built / "social-channel", *words, "--format", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def serve():
        service = Program(built / "social-channel", "serve", "--listen", "127.0.0.1:0", env=environment, stderr=subprocess.DEVNULL)
        assert "listening" in service.line()
        return service

    def kill(service):
        service.process.send_signal(signal.SIGKILL)
        service.process.wait(PATIENCE)

    say("providers", "add", Path(folder).parent / "wasm32-wasip2/guest/plugin_tiktok.wasm")
    say("apps", "add", "demo", "--json", work / "app.json")
    made = {}
    for name, receiver in receivers.items():
        made[name] = say("endpoints", "add", f"https://{name}.example/events")
        receiver.tell(secret=made[name]["secret"], accept=False)

    # Everybody is down, and the service is killed between attempts.
    connecting = Program(built / "social-channel", "connect", "demo", "--print-url", "--format", "json", env=environment, stderr=subprocess.DEVNULL)
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(json.loads(connecting.line())["url"]).read()
    assert connecting.process.wait(PATIENCE) == 0
    service = serve()
    for name, receiver in receivers.items():
        receiver.until(f"a first attempt at {name}", lambda seen: len(seen) >= 1)
    kill(service)
    video = work / "clip.mp4"
    subprocess.run([built / "sample-video", video, "1_000_000"], check=True, stdout=subprocess.DEVNULL)
    channel = say("channels")[0]["id"]
    say("publish", channel, video, "--text", "Told to others", "--visibility", "PUBLIC_TO_EVERYONE")
    service = serve()
    for name, receiver in receivers.items():
        receiver.until(f"a second attempt at {name}", lambda seen: len(seen) >= 2)
    kill(service)
    for receiver in receivers.values():
        receiver.tell(accept=True)
    service = serve()
    happened = say("events")["events"]
    ids = {event["id"] for event in happened}
    types = {event["type"] for event in happened}
    assert {"channel.connected", "job.published"} <= types, types
    for name, receiver in receivers.items():
        receiver.until(f"all at {name}", lambda seen: {one["id"] for one in seen if one["status"] == 204} >= ids)
        assert {one["id"] for one in receiver.seen} == ids, "a repeated event has the same id"
        assert all(one["verified"] for one in receiver.seen), receiver.seen
        told = {one["id"]: one["event"] for one in receiver.seen}
        assert [told[event["id"]] for event in happened] == happened, "what is sent is what is read"
    print("killed between attempts: nothing lost, ids equal ... ok")

    # A secret is replaced: both verify for the overlap, and then only the new one does.
    for name, receiver in receivers.items():
        endpoint = made[name]["id"]
        event = happened[0]["id"]

        def again(verified):
            before = len(receiver.seen)
            say("endpoints", "resend", endpoint, event)
            receiver.until(f"once more at {name}", lambda seen: len(seen) > before)
            assert receiver.seen[-1]["verified"] is verified, (name, receiver.seen[-1])

        rotated = say("endpoints", "rotate", endpoint, "--overlap", "1")
        again(True)
        receiver.tell(secret=rotated["secret"])
        again(True)
        last = say("endpoints", "rotate", endpoint, "--overlap", "0")
        again(False)
        receiver.tell(secret=last["secret"])
        receiver.until(f"the last secret at {name}", lambda seen: seen[-1]["verified"])
        assert not re.search(r"whsec_", json.dumps(say("endpoints", "list")))
    print("a secret is replaced with an overlap ... ok")

    service.process.send_signal(signal.SIGTERM)
    service.process.wait(PATIENCE)
    for receiver in receivers.values():
        receiver.end()
    simulator.end()


main(*sys.argv[1:])

#!/usr/bin/env python3
"""Runs TikTok clients that others published on PyPI, unmodified, against the simulator.

    python3 tests/tiktok-simulator/clients/run.py [--fresh] [--simulator PROGRAM]

Needs Python 3.11 with venv, and PyPI the first time; cargo too, unless a simulator built with the feature `proxy`
is named. Everything else stays on this machine. The clients live in an environment of their own below target/, which
is kept; --fresh makes it anew. The clients talk to TikTok's own addresses; HTTPS_PROXY leads them to the simulator.
Each case says which rules the simulator must name, and fails when it names others. This is no verdict on the
projects: it shows what a strict simulator sees.

Takes about 10 seconds; the first time half a minute more for the environment, and the build of the simulator.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PACKAGES = ["creator-publish==0.1.0", "tiktok-api-client==0.0.15", "reeln-plugin-tiktok==0.4.0", "requests==2.34.2"]
REDIRECT = "http://127.0.0.1:45678/callback"
VERIFIER = "a-verifier-of-a-correct-client-0123456789-abcdefghij"

# Runs inside the environment of the clients; {name} are filled in.
CASES = [
    (
        "tiktok-api-client connects",
        """
        import requests, urllib.parse
        from tiktok_api_client import TikTok
        client = TikTok("simkey-desktop", "simsecret-desktop-0001", "{redirect}", state="s")
        page = requests.get(client.get_authorization_url(), allow_redirects=False)
        query = urllib.parse.parse_qs(urllib.parse.urlparse(page.headers["location"]).query)
        client.exchange_code_for_token(query["code"][0])
        """,
        # base64url PKCE: the page takes it, the exchange does not.
        ["3.2, trap 5", "3.2, trap 5"],
    ),
    (
        "tiktok-api-client posts 15 MB",
        """
        from tiktok_api_client import TikTok
        client = TikTok("simkey-desktop", "simsecret-desktop-0001", "{redirect}")
        client.token_data = {{"access_token": "{token}"}}
        client.create_video("FILE_UPLOAD", "POST_VIDEO_FILE", "Soup", "SELF_ONLY", video_path="{folder}/15.mp4")
        """,
        # It goes through, with Stitch switched on against creator info; and then the client looks for JSON in the
        # empty answer to the last chunk.
        ["9.2", "16.7, trap 35"],
    ),
    (
        "creator-publish posts with its default privacy",
        """
        import pathlib
        from creator_publish.publish import tiktok
        tiktok.publish(pathlib.Path("{folder}/1.mp4"), "Soup", "", ["#soup"])
        """,
        ["9.2", "9.2, traps 32 and 33"],
    ),
    (
        "creator-publish posts 1 MB privately",
        """
        import pathlib
        from creator_publish.publish import tiktok
        tiktok.publish(pathlib.Path("{folder}/1.mp4"), "Soup", "", ["#soup"], privacy="SELF_ONLY")
        """,
        ["9.2", "10.1 C8, trap 23"],
    ),
    (
        "creator-publish posts 20 MB privately",
        """
        import pathlib
        from creator_publish.publish import tiktok
        tiktok.publish(pathlib.Path("{folder}/20.mp4"), "Soup", "", ["#soup"], privacy="SELF_ONLY")
        """,
        ["9.2", "10.1 C9, trap 22"],
    ),
    (
        "reeln-plugin-tiktok posts 25 MB",
        """
        import importlib.util, pathlib, sys
        # The module alone: the package around it wants the whole editing program.
        where = importlib.util.find_spec("reeln_tiktok_plugin").submodule_search_locations[0]
        spec = importlib.util.spec_from_file_location("reeln_upload", where + "/upload.py")
        upload = importlib.util.module_from_spec(spec)
        sys.modules["reeln_upload"] = upload
        spec.loader.exec_module(upload)
        print(upload.query_creator_info("{token}"))
        upload.upload_video(access_token="{token}", file_path=pathlib.Path("{folder}/25.mp4"), caption="Soup",
            direct_post={direct}, privacy_level="SELF_ONLY", disable_duet=True, disable_comment=True,
            disable_stitch=True, brand_content_toggle=False, brand_organic_toggle=False, video_cover_timestamp_ms=0)
        """,
        ["10.1 C9, trap 22"],
    ),
    (
        "reeln-plugin-tiktok posts a draft, its default",
        None,
        ["2, 19.13"],
    ),
]


def call(url, form=None, headers=None):
    data = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(url, data=data, headers=headers or {})

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))
    try:
        return opener.open(request)
    except urllib.error.HTTPError as answer:
        return answer


def connect(origin):
    """A correct connect, for the cases that begin with a token."""
    query = {
        "client_key": "simkey-desktop",
        "response_type": "code",
        "scope": "user.info.basic,video.publish",
        "redirect_uri": REDIRECT,
        "state": "s",
        "code_challenge": hashlib.sha256(VERIFIER.encode()).hexdigest(),
        "code_challenge_method": "S256",
    }
    page = call(f"{origin}/v2/auth/authorize/?{urllib.parse.urlencode(query)}")
    back = urllib.parse.parse_qs(urllib.parse.urlparse(page.headers["location"]).query)
    form = {
        "client_key": "simkey-desktop",
        "client_secret": "simsecret-desktop-0001",
        "code": back["code"][0],
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return json.load(call(f"{origin}/v2/oauth/token/", form))["access_token"]


def environment_of_clients(target, fresh):
    """An environment with the clients; its name changes with the packages, so that an old one is never used."""
    name = hashlib.sha256("\n".join([sys.version, *PACKAGES]).encode()).hexdigest()[:12]
    place = target / f"tiktok-clients-{name}"
    done = place / "installed"
    if fresh or not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        print("installing", ", ".join(PACKAGES), flush=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=300)
        install = [place / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
                   "--retries", "5", *PACKAGES]
        subprocess.run(install, check=True, timeout=600)
        done.touch()
    return place / "bin/python"


def start(program, certificate):
    """The simulator, and its origin once it is ready."""
    simulator = subprocess.Popen(
        [program, "--port", "0", "--auto-consent", "--until-eof", "--ca-file", certificate],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # A simulator that never says its line must not hold up whoever waits for this script.
    watch = threading.Timer(60, simulator.kill)
    watch.start()
    origin = simulator.stdout.readline().strip()
    watch.cancel()
    if not origin.startswith("http://"):
        simulator.kill()
        sys.exit("the simulator did not start; was it built with the feature proxy?")
    return simulator, origin


def play(cases, python, origin, folder, certificate):
    """Runs each case and answers how many went otherwise than expected."""
    token = connect(origin)
    environment = {
        **os.environ,
        "HTTPS_PROXY": origin,
        "https_proxy": origin,
        "SSL_CERT_FILE": str(certificate),
        "REQUESTS_CA_BUNDLE": str(certificate),
        "TIKTOK_ACCESS_TOKEN": token,
        "HOME": str(folder),
        "NO_PROXY": "",
        "no_proxy": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    failures = 0
    script = None
    for name, given, expected in cases:
        script, direct = given or script, bool(given)
        code = textwrap.dedent(script).format(redirect=REDIRECT, token=token, folder=folder, direct=direct)
        call_log(origin, "DELETE")
        try:
            ran = subprocess.run(
                [python, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, timeout=120
            )
            ended, said = f"exit {ran.returncode}", ran.stderr
        except subprocess.TimeoutExpired:
            ended, said = "no end within two minutes", ""
        exchanges = call_log(origin, "GET")
        print(f"\n{name}: {ended}")
        named = []
        for exchange in exchanges:
            print(f"  {exchange['method']} {exchange['host']}{exchange['path']}"
                  f" -> {exchange['status']} {exchange['code'] or ''}")
            for note in exchange["findings"] + [exchange["refusal"]] * bool(exchange["refusal"]):
                named.append(note["rule"])
                print(f"    {note['rule']}: {note['text']}")
        if said.strip():
            print("  the client said:", said.strip().splitlines()[-1][:160])
        if named != expected or not exchanges:
            failures += 1
            print(f"  EXPECTED {expected}, GOT {named}")
    return failures


def main():
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    flags = argparse.ArgumentParser(description="Published TikTok clients against the simulator.")
    flags.add_argument("--fresh", action="store_true", help="install the clients anew")
    flags.add_argument("--simulator", type=pathlib.Path, help="a simulator built with the feature proxy")
    flags = flags.parse_args()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    target.mkdir(parents=True, exist_ok=True)
    program = flags.simulator
    if program is None:
        build = ["cargo", "build", "-q", "-p", "tiktok-simulator", "--features", "proxy"]
        subprocess.run(build, cwd=ROOT, check=True)
        program = target / "debug/tiktok-simulator"
    python = environment_of_clients(target, flags.fresh)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for size in (1, 15, 20, 25):
            (folder / f"{size}.mp4").write_bytes(bytes(size * 1_000_000))
        certificate = folder / "ca.pem"
        simulator, origin = start(program, certificate)
        try:
            failures = play(CASES, python, origin, folder, certificate)
        finally:
            simulator.terminate()
            simulator.wait()
    print(f"\n{len(CASES) - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


def call_log(origin, method):
    request = urllib.request.Request(f"{origin}/_simulator/log", method=method)
    return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request))


if __name__ == "__main__":
    main()

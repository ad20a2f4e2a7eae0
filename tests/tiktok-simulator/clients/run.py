#!/usr/bin/env python3
"""Runs TikTok clients that others published on PyPI and npm, unmodified, against the simulator.

    python3 tests/tiktok-simulator/clients/run.py [--fresh] [--simulator PROGRAM] [--only TEXT]

Needs Python 3.11, and PyPI and npm the first time; cargo too, unless a simulator built with the feature `proxy` is
named. Debian's packages python3-venv, nodejs, npm and curl are installed where they are missing. Everything else stays on
this machine. The clients live in an environment of their own below target/, which is kept; --fresh makes it again.
The clients talk to TikTok's own addresses; HTTPS_PROXY leads them to the simulator. Each case says which rules the
simulator must name and how many drafts must reach the inbox, and fails when it is otherwise. This is no verdict on
the projects: it shows what a strict simulator sees.

Takes about 15 seconds; the first time a minute more for the environment, and the build of the simulator.
"""

import argparse
import dataclasses
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import shlex
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
REQUIREMENTS = HERE / "requirements.txt"
# Two clients have a package tiktok_mcp, so this one is installed separately. Its dependencies are in the requirements.
APART = "tiktok-mcp==0.2.4"
NODE_FILES = [HERE / "node" / name for name in ("package.json", "package-lock.json", "proxy.cjs")]

# One registration with a web and a desktop platform, which is common.
KEY, SECRET = "simkey-both", "simsecret-both-0001"
WEB = "https://app.example.com/callback/"
REDIRECT = "http://127.0.0.1:45678/callback"
APP = f"web+desktop:audited:{KEY}:{SECRET}:{WEB},http://127.0.0.1:*/callback,http://localhost:*/callback,http://localhost:*/"
VERIFIER = "a-verifier-of-a-correct-client-0123456789-abcdefghij"

# Acts as a person at a browser, for clients that wait for one: opens the page, consents, and returns.
BROWSER = """
import requests
def visit(url):
    page = requests.get(url, allow_redirects=False)
    return page.headers.get("location", "")
"""


@dataclasses.dataclass
class Case:
    """Runs inside the environment of the clients; {name} are filled in."""

    name: str
    # One part or several, each dedented separately.
    code: str | tuple
    # Named by the simulator, in this order.
    rules: list
    # Drafts that must reach the inbox.
    inbox: int = 0
    program: str = "python"


REELN = """
import importlib.util, pathlib, sys
# Only the module, because its package requires the whole editing program.
where = importlib.util.find_spec("reeln_tiktok_plugin").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("reeln_upload", where + "/upload.py")
upload = importlib.util.module_from_spec(spec)
sys.modules["reeln_upload"] = upload
spec.loader.exec_module(upload)
print(upload.query_creator_info("{token}"))
upload.upload_video(access_token="{token}", file_path=pathlib.Path("{folder}/%s.mp4"), caption="Soup",
    direct_post=%s, privacy_level="SELF_ONLY", disable_duet=True, disable_comment=True,
    disable_stitch=True, brand_content_toggle=False, brand_organic_toggle=False, video_cover_timestamp_ms=0)
"""

MAKERVOX = """
import urllib.parse
from makervox_publish import Config
from makervox_publish.platforms.tiktok import TikTokClient
def client(redirect):
    settings = dict(enabled=True, redirect_uri=redirect, publish=dict(confirm=dict(attempts=30, delay_s=0.2)))
    store = dict(impl="makervox_publish.state.token_store:FileTokenStore", options=dict(path="{folder}/makervox.json"))
    return TikTokClient.from_config(Config.from_mapping(dict(
        state=dict(dir="{folder}/makervox"), accounts=dict(kitchen=dict()), platforms=dict(tiktok=settings),
        token_stores=dict(tiktok_tokens=store))))
"""

CASES = [
    Case(
        "tiktok-api-client connects",
        """
        import requests, urllib.parse
        from tiktok_api_client import TikTok
        client = TikTok("{key}", "{secret}", "{redirect}", state="s")
        page = requests.get(client.get_authorization_url(), allow_redirects=False)
        query = urllib.parse.parse_qs(urllib.parse.urlparse(page.headers["location"]).query)
        client.exchange_code_for_token(query["code"][0])
        """,
        # base64url PKCE: the page accepts it, the exchange does not.
        ["3.2, trap 5", "3.2, trap 5"],
    ),
    Case(
        "tiktok-api-client posts 15 MB",
        """
        from tiktok_api_client import TikTok
        client = TikTok("{key}", "{secret}", "{redirect}")
        client.token_data = {{"access_token": "{token}"}}
        client.create_video("FILE_UPLOAD", "POST_VIDEO_FILE", "Soup", "SELF_ONLY", video_path="{folder}/15.mp4")
        """,
        # It goes through, with Stitch switched on against creator info; and then the client looks for JSON in the
        # empty answer to the last chunk.
        ["9.2", "16.7, trap 35"],
    ),
    Case(
        "creator-publish posts with its default privacy",
        """
        import pathlib
        from creator_publish.publish import tiktok
        tiktok.publish(pathlib.Path("{folder}/1.mp4"), "Soup", "", ["#soup"])
        """,
        ["9.2", "9.2, traps 32 and 33"],
    ),
    Case(
        "creator-publish posts 1 MB privately",
        """
        import pathlib
        from creator_publish.publish import tiktok
        tiktok.publish(pathlib.Path("{folder}/1.mp4"), "Soup", "", ["#soup"], privacy="SELF_ONLY")
        """,
        ["9.2", "10.1 C8, trap 23"],
    ),
    Case(
        "creator-publish posts 20 MB privately",
        """
        import pathlib
        from creator_publish.publish import tiktok
        tiktok.publish(pathlib.Path("{folder}/20.mp4"), "Soup", "", ["#soup"], privacy="SELF_ONLY")
        """,
        ["9.2", "10.1 C9, trap 22"],
    ),
    Case("reeln-plugin-tiktok posts 25 MB", REELN % (25, True), ["10.1 C9, trap 22"]),
    # The caption that it sends has no effect on a draft. Only files of whole chunks of 10 MiB arrive.
    Case("reeln-plugin-tiktok sends a draft of 25 MB, its default", REELN % (25, False), ["10A", "10.1 C9, trap 22"]),
    Case("reeln-plugin-tiktok sends a draft of 20 MiB", REELN % ("two-chunks", False), ["10A"], inbox=1),
    Case(
        "makervox-publish connects by the loopback redirect that it advises",
        (BROWSER, MAKERVOX, """
        print(visit(client("http://127.0.0.1:8722/callback").auth.authorize_url("kitchen")))
        """),
        # It does not support PKCE, which a desktop redirect requires.
        ["3.2"],
    ),
    Case(
        "makervox-publish connects as a web app and sends a draft of 25 MB",
        (BROWSER, MAKERVOX, """
        tiktok = client("{web}")
        back = urllib.parse.parse_qs(urllib.parse.urlparse(visit(tiktok.auth.authorize_url("kitchen"))).query)
        tiktok.auth.exchange_code("kitchen", back["code"][0])
        print(tiktok.confirm("kitchen", tiktok.post_to_inbox("kitchen", "{folder}/25.mp4")))
        """),
        [],
        inbox=1,
    ),
    Case(
        "tiktok-studio-mcp connects and sends drafts of 1 and 25 MB",
        (BROWSER, """
        import asyncio, subprocess, sys
        auth = subprocess.Popen([sys.executable, "-u", "-m", "tiktok_mcp", "auth"], stdout=subprocess.PIPE, text=True)
        url = next(line for line in auth.stdout if line.startswith("https://")).strip()
        # The way back leads to the client on this machine, not through the proxy.
        requests.get(visit(url), proxies={{"http": None}})
        auth.wait()
        from tiktok_mcp.server import build_app
        app = build_app()
        for size in (1, 25):
            print(asyncio.run(app.call_tool("post_video", {{"file_path": "{folder}/%s.mp4" % size}})))
        """),
        # It announces chunks of 64 MiB for any size.
        ["10.1 C8, trap 23"],
        inbox=1,
    ),
    Case(
        "tiktok-mcp connects and sends a draft of 1 MB",
        (BROWSER, """
        import asyncio, base64, pathlib, platformdirs
        from cryptography.fernet import Fernet
        # There is no keyring here; the client then requires this file from the user.
        place = pathlib.Path(platformdirs.user_data_dir("tiktok-mcp", appauthor="Signikant", ensure_exists=True))
        (place / "fernet.key").write_bytes(Fernet.generate_key())
        from tiktok_mcp import server
        server._register_components()
        from tiktok_mcp.tools import accounts, app_credentials
        from tiktok_mcp.tools import posting_writes_video_upload as upload
        from tiktok_mcp.types import ApiType
        async def story():
            api = ApiType.CONTENT_POSTING
            await app_credentials.set_app_credentials(api, "{key}", "{secret}", redirect_uri="{redirect}")
            begun = await accounts.add_account(api, alias="kitchen")
            print(await accounts.complete_account_login(visit(begun["url"])))
            data = pathlib.Path("{folder}/1.mp4").read_bytes()
            begun = await upload.init_video_upload("kitchen", len(data), len(data), 1)
            print(await upload.upload_video_chunk(
                begun["publish_id"], begun["upload_url"], 0, base64.b64encode(data).decode()))
        asyncio.run(story())
        """),
        # It also sends the token to the upload host, and a content type that is not a video type.
        ["1.3, trap 29", "9.3"],
        program="tiktok-mcp",
    ),
    Case(
        "passport-tiktok-auth connects for drafts",
        """
        const {{ Strategy }} = require("passport-tiktok-auth");
        const options = {{ clientID: "{key}", clientSecret: "{secret}", callbackURL: "{web}", state: true,
            scope: ["user.info.basic", "video.upload"] }};
        const strategy = new Strategy(options, (access, refresh, profile, done) => done(null, profile));
        // What passport does around a strategy, for the two requests of one session.
        const session = {{}};
        const ask = (query) => new Promise((resolve, reject) => {{
            const one = Object.create(strategy);
            Object.assign(one, {{ redirect: resolve, success: resolve, fail: reject, error: reject }});
            one.authenticate({{ query, session, headers: {{}} }}, {{}});
        }});
        const visit = (url) => new Promise((resolve, reject) =>
            require("https").get(url, (page) => resolve(page.headers.location)).on("error", reject));
        (async () => {{
            const back = new URL(await visit(await ask({{}})));
            console.log(await ask(Object.fromEntries(back.searchParams)));
        }})().catch((error) => {{ console.error(error.oauthError?.data ?? error); process.exitCode = 1; }});
        """,
        # Its profile requests a field that does not exist.
        ["8"],
        program="node",
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
        "client_key": KEY,
        "response_type": "code",
        "scope": "user.info.basic,video.publish,video.upload",
        "redirect_uri": REDIRECT,
        "state": "s",
        "code_challenge": hashlib.sha256(VERIFIER.encode()).hexdigest(),
        "code_challenge_method": "S256",
    }
    page = call(f"{origin}/v2/auth/authorize/?{urllib.parse.urlencode(query)}")
    back = urllib.parse.parse_qs(urllib.parse.urlparse(page.headers["location"]).query)
    form = {
        "client_key": KEY,
        "client_secret": SECRET,
        "code": back["code"][0],
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return json.load(call(f"{origin}/v2/oauth/token/", form))["access_token"]


def run(command, **options):
    subprocess.run([str(word) for word in command], check=True, timeout=900, **options)


def debian(*packages):
    """Installs what is missing on a fresh Debian."""
    print("installing Debian's", ", ".join(packages), flush=True)
    root = [] if os.geteuid() == 0 else ["sudo"]
    run([*root, "apt-get", "update", "-qq"])
    run([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


def environment_of_clients(target, fresh):
    """An environment with the clients; its name changes with what is in it, so that an old one is never used."""
    contents = [sys.version, APART, *(file.read_text() for file in (REQUIREMENTS, *NODE_FILES))]
    name = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:12]
    place = target / f"tiktok-clients-{name}"
    done = place / "installed"
    if fresh or not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        # Debian has the module venv, but a required part of it is a separate package.
        if importlib.util.find_spec("ensurepip") is None:
            debian("python3-venv")
        if not (shutil.which("node") and shutil.which("npm")):
            debian("nodejs", "npm")
        print("installing the clients", flush=True)
        run([sys.executable, "-m", "venv", place])
        pip = [place / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "5",
               "--no-deps"]
        # All dependencies are listed there with versions, so none are resolved.
        run([*pip, "--requirement", REQUIREMENTS])
        run([*pip, "--target", place / "tiktok-mcp", APART])
        (place / "node").mkdir()
        for file in NODE_FILES:
            shutil.copy(file, place / "node")
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--silent"],
            cwd=place / "node")
        done.touch()
    return place


def start(program, flags):
    """The simulator, and its origin once it is ready."""
    simulator = subprocess.Popen(
        [program, "--until-eof", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # A simulator that never prints its line must not block this script.
    watch = threading.Timer(60, simulator.kill)
    watch.start()
    origin = simulator.stdout.readline().strip()
    watch.cancel()
    if not origin.startswith("http://"):
        simulator.kill()
        sys.exit("the simulator did not start; was it built with the feature proxy?")
    return simulator, origin


def manual(program, folder):
    """Runs the block of README.md that starts the proxy, on a free port. The client is curl, which has no token."""
    if shutil.which("curl") is None:
        debian("curl")
    text = (HERE.parent / "README.md").read_text()
    (block,) = re.findall(r"^```sh\n(cargo run -p tiktok-simulator --features proxy .*?)^```$", text, flags=re.M | re.S)
    block = block.replace("/tmp/", f"{folder}/manual-").replace("--port 4010", "--port 0")
    begin, client = block.split("\n", 1)
    simulator, origin = start(program, shlex.split(begin.split(" -- ")[1]))
    try:
        asked = "curl --silent 'https://open.tiktokapis.com/v2/user/info/?fields=open_id'"
        client = client.replace("http://127.0.0.1:4010", origin).replace("your-client", asked)
        # For curl these go before the variable that the manual sets.
        others = ("CURL_CA_BUNDLE", "SSL_CERT_DIR")
        environment = {name: value for name, value in os.environ.items() if name not in others}
        environment |= {"NO_PROXY": "", "no_proxy": ""}
        said = subprocess.run(["bash", "-c", client], env=environment, capture_output=True, text=True, check=False)
        if "access_token_invalid" not in said.stdout:
            sys.exit(f"README.md: a client behind the proxy gets no answer: {said}")
    finally:
        simulator.terminate()
        simulator.wait()
    print("the block of README.md ... ok")


def play(cases, place, origin, folder, certificate):
    """Runs each case and answers how many went otherwise than expected."""
    token = connect(origin)
    environment = {
        **os.environ,
        "HTTPS_PROXY": origin,
        "https_proxy": origin,
        "SSL_CERT_FILE": str(certificate),
        "REQUESTS_CA_BUNDLE": str(certificate),
        "NO_PROXY": "",
        "no_proxy": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        # Settings of the clients.
        "TIKTOK_ACCESS_TOKEN": token,
        "TIKTOK_CLIENT_KEY": KEY,
        "TIKTOK_CLIENT_SECRET": SECRET,
        "TIKTOK_MCP_CLIENT_KEY": KEY,
        "TIKTOK_MCP_CLIENT_SECRET": SECRET,
        "TIKTOK_MCP_ALLOW_ACCOUNT_CHANGES": "1",
        "TIKTOK_MCP_ALLOW_WRITES": "posting",
        "TIKTOK_MCP_LIVE_ACCOUNT_SAFETY": "0",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    programs = {
        "python": ([place / "bin/python", "-c"], {}),
        "tiktok-mcp": ([place / "bin/python", "-c"], {"PYTHONPATH": str(place / "tiktok-mcp")}),
        "node": (
            ["node", "--require", place / "node/proxy.cjs", "--eval"],
            {"NODE_EXTRA_CA_CERTS": str(certificate), "NODE_PATH": str(place / "node/node_modules")},
        ),
    }
    words = {"key": KEY, "secret": SECRET, "redirect": REDIRECT, "web": WEB, "token": token, "folder": folder}
    failures = 0
    for case in cases:
        parts = (case.code,) if isinstance(case.code, str) else case.code
        code = "\n".join(textwrap.dedent(part) for part in parts).format(**words)
        command, settings = programs[case.program]
        control(origin, "DELETE", "/log")
        before = drafts_in_the_inbox(origin)
        try:
            ran = subprocess.run(
                [*map(str, command), code], env={**environment, **settings}, cwd=folder, capture_output=True,
                text=True, timeout=120,
            )
            ended, said = f"exit {ran.returncode}", ran.stderr
        except subprocess.TimeoutExpired:
            ended, said = "no end within two minutes", ""
        exchanges = control(origin, "GET", "/log")
        print(f"\n{case.name}: {ended}")
        named = []
        for exchange in exchanges:
            print(f"  {exchange['method']} {exchange['host']}{exchange['path']}"
                  f" -> {exchange['status']} {exchange['code'] or ''}")
            for note in exchange["findings"] + [exchange["refusal"]] * bool(exchange["refusal"]):
                named.append(note["rule"])
                print(f"    {note['rule']}: {note['text']}")
        if said.strip():
            print("  the client said:", said.strip().splitlines()[-1][:160])
        arrived = inbox_after(origin, before + case.inbox) - before
        if named != case.rules or arrived != case.inbox or not exchanges:
            failures += 1
            print(f"  EXPECTED {case.rules} and {case.inbox} drafts in the inbox, GOT {named} and {arrived}")
    return failures


def main():
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    flags = argparse.ArgumentParser(description="Published TikTok clients against the simulator.")
    flags.add_argument("--fresh", action="store_true", help="install the clients again")
    flags.add_argument("--only", default="", help="cases whose name contains this")
    flags.add_argument("--simulator", type=pathlib.Path, help="a simulator built with the feature proxy")
    flags = flags.parse_args()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    target.mkdir(parents=True, exist_ok=True)
    program = flags.simulator
    if program is None:
        build = ["cargo", "build", "-q", "-p", "tiktok-simulator", "--features", "proxy"]
        subprocess.run(build, cwd=ROOT, check=True)
        program = target / "debug/tiktok-simulator"
    place = environment_of_clients(target, flags.fresh)
    cases = [case for case in CASES if flags.only in case.name]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for size in (1, 15, 20, 25):
            (folder / f"{size}.mp4").write_bytes(bytes(size * 1_000_000))
        (folder / "two-chunks.mp4").write_bytes(bytes(2 * 10 * 1024 * 1024))
        certificate = folder / "ca.pem"
        manual(program, folder)
        simulator, origin = start(program, ["--port", "0", "--auto-consent", "--ca-file", certificate, "--app", APP])
        try:
            failures = play(cases, place, origin, folder, certificate)
        finally:
            simulator.terminate()
            simulator.wait()
    print(f"\n{len(cases) - failures} passed, {failures} failed")
    sys.exit(1 if failures or not cases else 0)


def control(origin, method, path, body=None):
    """Steers and looks at the simulator."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{origin}/_simulator{path}", method=method, data=data)
    return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request))


def drafts_in_the_inbox(origin):
    return sum(publish["state"] == "inbox" for publish in control(origin, "GET", "/world")["publishes"])


def inbox_after(origin, wanted):
    """Drafts in the inbox, once no draft is processed any more."""
    # The simulator's clock is moved instead of waiting for its processing.
    control(origin, "POST", "/clock/advance", {"seconds": 5})
    return drafts_in_the_inbox(origin)


if __name__ == "__main__":
    main()

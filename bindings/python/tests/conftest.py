"""Shared fixtures: a separate host for each test, and the test provider, whose setting selects its behaviour.

Folders come from the environment, as run-tests.sh sets them: SOCIAL_CHANNEL_TEST_COMPONENTS, SOCIAL_CHANNEL_TEST_CACHE, and
SOCIAL_CHANNEL_TEST_ROOT, the root of the repository.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from social_channel import Host

COMPONENTS = Path(os.environ["SOCIAL_CHANNEL_TEST_COMPONENTS"])
ROOT = Path(os.environ["SOCIAL_CHANNEL_TEST_ROOT"])
CACHE = os.environ["SOCIAL_CHANNEL_TEST_CACHE"]
SIMULATOR = os.environ["SOCIAL_CHANNEL_TEST_SIMULATOR"]
OWNER = "browser-1"


def write_video(path, size):
    """A video of zeros behind its index; sparse."""
    with path.open("wb") as file:
        file.write((ROOT / "examples/head.mp4").read_bytes())
        file.truncate(size)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def browse(url):
    """The callback to which the network redirects the browser."""
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({})).open(url)
    return answer.value.headers["Location"]


class Stage:
    def __init__(self, folder):
        self.host = Host(data=folder, cache=CACHE)
        self.host.load_provider_file(COMPONENTS / "test_provider.wasm")
        self.behave("")
        self.tenant = self.host.tenant()

    def behave(self, behaviour):
        settings = {"behaviour": behaviour, "url": "https://127.0.0.1/"}
        app = {"provider": "test-provider", "redirect_uri": "http://127.0.0.1:9/callback", "settings": settings}
        return self.host.put_app("app", app)

    def connect(self, tenant=None):
        tenant = tenant or self.tenant
        begun = tenant.begin_connect("app", owner=OWNER)
        return tenant.complete_connect(OWNER, f"code=x%2Fy&state={begun.redirect.state}").channel


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path / "data")
    yield stage
    stage.host.close()


@contextmanager
def simulator():
    """A simulated platform, as it describes itself."""
    flags = ["--port", "0", "--auto-consent", "--describe", "--until-eof"]
    with subprocess.Popen([SIMULATOR, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
        yield json.loads(simulator.stdout.readline())
        simulator.stdin.close()
        simulator.wait()


@pytest.fixture
def network(tmp_path):
    """A host with an account at a simulated platform: the data folder, the policy, the tenant and the channel."""
    with simulator() as described:
        policy = {"connect_to": described["connect_to"]}
        with Host(data=tmp_path / "data", cache=CACHE, policy=policy) as host:
            host.load_provider_file(COMPONENTS / "plugin_tiktok.wasm")
            host.put_app("demo", described["app"])
            tenant = host.tenant()
            begun = tenant.begin_connect("demo", owner=OWNER, redirect_uri="http://127.0.0.1:9123/callback")
            yield policy, tenant, tenant.complete_connect(OWNER, browse(begun.redirect.url)).channel

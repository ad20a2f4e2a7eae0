"""Shared fixtures: a separate host for each test, and the test provider, whose setting selects its behaviour.

Folders come from the environment, as run-tests.sh sets them: SOCIAL_CHANNEL_TEST_COMPONENTS, SOCIAL_CHANNEL_TEST_CACHE, and
SOCIAL_CHANNEL_TEST_ROOT, the root of the repository.
"""

import os
from pathlib import Path

import pytest
from social_channel import Host

COMPONENTS = Path(os.environ["SOCIAL_CHANNEL_TEST_COMPONENTS"])
ROOT = Path(os.environ["SOCIAL_CHANNEL_TEST_ROOT"])
CACHE = os.environ["SOCIAL_CHANNEL_TEST_CACHE"]
OWNER = "browser-1"


def write_video(path, size):
    """A video of zeros behind its index; sparse."""
    with path.open("wb") as file:
        file.write((ROOT / "examples/head.mp4").read_bytes())
        file.truncate(size)


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

"""Everything in a database server, as of a platform that has one."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import CACHE, COMPONENTS, OWNER, browse, simulator, write_video
from social_channel import Host, new_key

PROGRAMS = Path(os.environ["SOCIAL_CHANNEL_TEST_SIMULATOR"]).parent


@contextmanager
def database(name):
    """The URL of a server that ends with this block."""
    with subprocess.Popen([PROGRAMS / name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield json.loads(server.stdout.readline())["url"]
        server.stdin.close()
        server.wait()


@pytest.mark.parametrize("name", ["postgres-server", "mariadb-server"])
def test_everything_is_kept_in_a_database_server(name, tmp_path):
    video = tmp_path / "video.mp4"
    write_video(video, 4096)
    with database(name) as url, simulator() as described:
        policy = {"connect_to": described["connect_to"]}
        settings = {"database": url, "key": new_key(), "data": tmp_path / "data", "cache": CACHE, "policy": policy}
        with Host(**settings) as host:
            host.load_provider_file(COMPONENTS / "plugin_tiktok.wasm")
            host.put_app("demo", described["app"])
            tenant = host.tenant()
            begun = tenant.begin_connect("demo", owner=OWNER, redirect_uri="http://127.0.0.1:9123/callback")
            channel = tenant.complete_connect(OWNER, browse(begun.redirect.url)).channel
            post = {"kind": "video", "text": "x", "visibility": "PUBLIC_TO_EVERYONE"}
            job = tenant.publish(channel.id, {"post": post, "media": [{"file": str(video)}]})
            assert tenant.wait_for_job(job.id, 120_000).status == "published"
        # Another process, another day.
        with Host(**settings) as host:
            tenant = host.tenant()
            assert [found.id for found in tenant.channels()] == [channel.id]
            assert tenant.job(job.id).status == "published"
        assert not list((tmp_path / "data").glob("*.sqlite"))

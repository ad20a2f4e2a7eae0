"""Runs every snippet of README.md unchanged, and every example document of the header.

Only the world is the test's: the folder /var/lib/shop and the network (see tests/c/manuals/stand_in.c).
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CACHE, COMPONENTS, ROOT, SIMULATOR, browse, write_video
from social_channel import Host, errors
from social_channel._library import library, receive_webhook

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "bindings/python/README.md").read_text(), flags=re.M | re.S)
FILES = {text.splitlines()[0].removeprefix("# "): text for language, text in BLOCKS if language == "python"}
CALLBACK = "https://shop.example/callback"


@pytest.fixture
def world(tmp_path):
    """A folder with the snippets, and their environment."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "plugin_tiktok.wasm").write_bytes((COMPONENTS / "plugin_tiktok.wasm").read_bytes())
    write_video(tmp_path / "hello.mp4", 6_000_000)
    stand_in = tmp_path / "libsocialchannel.so"
    real = Path(library()._name).resolve()
    source = ROOT / "tests/c/manuals/stand_in.c"
    include = ROOT / "bindings/c/include"
    flags = ["-Wl,--no-as-needed", real, f"-Wl,-rpath,{real.parent}", "-ldl"]
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", source, "-o", stand_in, *flags], check=True)
    registered = ["--app", f"web:audited:shopkey:shopsecret-0001:{CALLBACK}"]
    flags = ["--port", "0", "--auto-consent", "--describe", "--until-eof", *registered]
    with subprocess.Popen([SIMULATOR, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
        described = json.loads(simulator.stdout.readline())
        yield tmp_path, os.environ | {
            "SOCIAL_CHANNEL_LIBRARY": str(stand_in),
            "STAND_IN_LIBRARY": str(real),
            "STAND_IN_POLICY": json.dumps({"connect_to": described["connect_to"]}),
            "STAND_IN_MAP": f"/var/lib/shop={tmp_path}/lib",
            "CLIENT_KEY": "shopkey",
            "CLIENT_SECRET": "shopsecret-0001",
        }
        simulator.stdin.close()
        simulator.wait()


def test_from_the_first_line_to_a_published_video(world):
    folder, environment = world

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    assert run("install.py") == ""
    url = run("-c", "import pages; print(pages.connect('session-1'), end='')")
    back = browse(url)
    assert back.startswith(CALLBACK + "?")
    query = back.split("?", 1)[1]
    told = run("-c", f"import pages; print(pages.callback('session-1', {query!r}), end='')")
    assert told == "Demo Kitchen: 1204 followers"
    lines = run("publish.py").splitlines()
    assert lines[-1] == "published 6000000 of 6000000"
    assert run("reader.py") == "Demo Kitchen\n"


def test_the_first_page_publishes(world):
    """The only snippet of the repository's first page; the channel is connected by those of this package."""
    folder, environment = world
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.M | re.S)
    environment["STAND_IN_MAP"] += f"\n/var/media={folder}"

    def run(code):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    run("import install")
    query = browse(run("import pages; print(pages.connect('session-1'), end='')")).split("?", 1)[1]
    run(f"import pages; pages.callback('session-1', {query!r})")
    channel = run("from shop import tenant; print(tenant.channels()[0].id, end='')")
    assert run(f"channel_id = {channel!r}\n{snippet}    print(tenant.wait_for_job(job.id, 60_000).status, end='')") == "published"


def test_every_snippet_is_run():
    """A new snippet that is not run is noticed."""
    assert list(FILES) == ["shop.py", "install.py", "pages.py", "publish.py", "reader.py"]
    assert sorted({language for language, _ in BLOCKS}) == ["python", "sh"]
    # run-tests.sh builds and installs the wheel, like the only shell snippet.
    (shell,) = [text for language, text in BLOCKS if language == "sh"]
    commands = [line.split("#")[0].split() for line in shell.splitlines()]
    assert commands[0][1] == "bindings/python/run-tests.sh" and os.access(ROOT / commands[0][1], os.X_OK)


def test_the_documents_of_the_header_are_taken(tmp_path):
    """Passes each example document of a comment to the function below it."""
    header = (ROOT / "bindings/c/include/social_channel.h").read_text()
    examples = {}
    for comment, function in re.findall(r"/\*\*((?:(?!\*/).)*)\*/\s*socialchannel_status (\w+)\(", header, flags=re.S):
        plain = re.sub(r"\n \* ?", " ", comment)
        for document in re.findall(r"`(\{.*?\})`", plain):
            examples.setdefault(function.removeprefix("socialchannel_host_"), []).append(document)
    answers = {"begin_connect", "complete_connect"}
    documents = {"open", "add_provider", "put_app", "list_posts", "publish", "resolve_job", "receive_webhook"}
    assert set(examples) == documents | answers
    # Examples of results are shortened with three dots; those of arguments are complete.
    given = {name: [json.loads(one) for one in documents] for name, documents in examples.items() if name not in answers}

    assert given["open"] == [{"data": "/var/lib/shop/social-channel"}, {}]
    for config in given["open"]:
        if "data" in config:
            config["data"] = config["data"].replace("/var/lib/shop", str(tmp_path))
        Host(**config).close()

    (request,) = given["publish"]
    video = tmp_path / "a.mp4"
    write_video(video, 4096)
    request["media"][0]["file"] = request["media"][0]["file"].replace("/videos", str(tmp_path))
    with Host(data=tmp_path / "data", cache=CACHE, background=False) as host:
        (source,) = given["add_provider"]
        # Nobody listens there; this error means that the document was accepted.
        with pytest.raises(errors.Unavailable):
            host.add_provider(source | {"reference": source["reference"].replace("ghcr.io", "127.0.0.1:1")})
        host.load_provider_file(COMPONENTS / "test_provider.wasm")
        host.put_app("app", {"provider": "test-provider", "redirect_uri": "http://127.0.0.1:9/callback"})
        (config,) = given["put_app"]
        # The example's provider is not installed here; this error means that the document was accepted.
        with pytest.raises((errors.NotFound, errors.InvalidRequest), match=config["provider"]):
            host.put_app("another", config)
        (head,) = given["receive_webhook"]
        with pytest.raises(errors.Forbidden):
            receive_webhook(host._handle, "app", json.dumps(head), b"x")
        tenant = host.tenant()
        begun = tenant.begin_connect("app", owner="me")
        channel = tenant.complete_connect("me", f"state={begun.redirect.state}").channel
        (query,) = given["list_posts"]
        assert len(tenant._call("list_posts", channel.id, json.dumps(query))["posts"]) <= query["limit"]
        job = tenant.publish(channel.id, request | {"publish_at": int(time.time()) + 3600})
        (found,) = given["resolve_job"]
        # The job is not `unknown`; this error means that the document was accepted.
        with pytest.raises(errors.InvalidRequest):
            tenant._call("resolve_job", job.id, json.dumps(found))

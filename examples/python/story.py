"""A complete program in Python: load a provider, give it its settings, connect an account, read its profile, numbers and
posts, publish a 70 MB video with progress, and swap the provider while that runs.

It runs against a simulated platform, so no account and no network is needed. From the root of the repository:

    cargo build -p tiktok-simulator && cargo xtask guests
    bindings/python/run-tests.sh --wheel-only
    python3 -m venv /tmp/story && /tmp/story/bin/pip install bindings/python/dist/*.whl
    target/debug/tiktok-simulator --port 0 --auto-consent --describe > simulator.json &
    until [ -s simulator.json ]; do sleep 0.1; done
    /tmp/story/bin/python examples/python/story.py target/wasm32-wasip2/guest/plugin_tiktok.wasm simulator.json
    kill %1

The person's browser is played by urllib, since the simulator consents by itself. A real program sends the browser to the
address and gets it back at its callback.
"""

import json
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from social_channel import Host, Media, Post, PublishRequest, SocialChannelError

OWNER = "session-of-this-browser"
CALLBACK = "http://127.0.0.1:9123/callback"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def browse(url):
    """The browser, which is sent to the platform's page and redirected back to the callback."""
    try:
        urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({})).open(url)
    except urllib.error.HTTPError as answer:
        return answer.headers["Location"]
    raise SystemExit("the browser did not come back")


def make_video(folder):
    """A video of zeros behind its index: 70 MB that take no room."""
    path = folder / "video.mp4"
    with path.open("wb") as file:
        file.write((Path(__file__).resolve().parent.parent / "head.mp4").read_bytes())
        file.truncate(70_000_000)
    return path


def story(host, component, simulator, folder, video):
    host.load_provider(component)
    host.put_app("demo", simulator["app"])

    tenant = host.tenant()
    begun = tenant.begin_connect("demo", owner=OWNER, redirect_uri=CALLBACK)
    channel = tenant.complete_connect(OWNER, browse(begun.redirect.url)).channel

    print("profile:", tenant.profile(channel.id).display_name)
    print("followers:", tenant.stats(channel.id).followers)
    for post in tenant.list_posts(channel.id, limit=3).posts:
        print("post:", post.title, post.stats.views)

    request = PublishRequest(
        post=Post(kind="video", text="From Python", visibility="PUBLIC_TO_EVERYONE"),
        media=[Media(file=str(video or make_video(folder)), content_type="video/mp4")],
        idempotency_key="the-story",
    )
    job = tenant.publish(channel.id, request)
    swapped = False
    for job in tenant.follow(job.id, every_ms=50):
        part = job.bytes_sent / job.bytes_total
        print(f"\r{job.status:9} {part * 100:3.0f} %", end="", flush=True)
        if part >= 0.5 and not swapped:
            # A component that differs only in a mark at its end. The job continues with the component that started it.
            host.load_provider(component + b"\0\x08\x07swapped")
            print("  the provider was swapped")
            swapped = True
    print()
    if job.status != "published":
        raise SystemExit(f"the job ended as {job.status}: {job.error}")
    print("disconnected:", tenant.disconnect(channel.id).revoked)


def main():
    if len(sys.argv) < 3:
        raise SystemExit(f"usage: {sys.argv[0]} COMPONENT.wasm SIMULATOR.json [VIDEO.mp4]")
    component = Path(sys.argv[1]).read_bytes()
    simulator = json.loads(Path(sys.argv[2]).read_text())
    video = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as folder:
        # A real program has no policy here: it sends the provider's requests to the simulator.
        policy = {"connect_to": simulator["connect_to"]}
        try:
            with Host(data=Path(folder) / "data", policy=policy) as host:
                story(host, component, simulator, Path(folder), video)
        except SocialChannelError as error:
            raise SystemExit(f"{error} ({error.kind})\nhint: {error.remedy}") from None


if __name__ == "__main__":
    main()

"""Hosts, documents, threads, fork, asyncio."""

import asyncio
import dataclasses
import functools
import http.server
import json
import logging
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from conftest import CACHE, COMPONENTS, write_video
from social_channel import AsyncHost, Host, documents, errors, forward_log, log_level, new_key
from social_channel._codec import decode, encode


def test_a_host_is_closed_by_its_context_and_only_once(tmp_path):
    with Host(data=tmp_path) as host:
        assert host.providers() == []
    host.close()
    with pytest.raises(errors.InvalidArgument):
        host.providers()


def test_accounts_are_connected_read_and_disconnected(stage):
    channel = stage.connect()
    assert isinstance(channel, documents.Channel) and channel.health == documents.Health.ACTIVE
    assert stage.tenant.profile(channel.id).display_name == "Test"
    assert stage.tenant.stats(channel.id).followers == 2**64 - 1
    page = stage.tenant.list_posts(channel.id, limit=3, cursor="next")
    assert [post.id for post in page.posts] == ["0", "1", "2"] and page.next_cursor == "next"
    assert [post.id for post in stage.tenant.get_posts(channel.id, ["ü", "b"])] == ["ü", "b"]
    form = stage.tenant.publish_form(channel.id)
    assert form.blocked.kind == documents.ErrorKind.QUOTA_EXCEEDED
    assert form.rules[0].consequence.notice.links[0].text == "terms"
    assert stage.host.tenant("other").channels() == []
    with pytest.raises(errors.NotFound):
        stage.host.tenant("other").profile(channel.id)
    stage.tenant.disconnect(channel.id)
    assert stage.tenant.channels() == []


def test_a_provider_comes_from_an_address_is_replaced_and_goes_back(tmp_path):
    component = (COMPONENTS / "provider_minimal.wasm").read_bytes()
    file = tmp_path / "provider.wasm"
    file.write_bytes(component)
    folder = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with Host(cache=CACHE) as host:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), folder) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}/provider.wasm"
            first = host.add_provider(address).provider
            assert (first.origin.reference, first.origin.signed) == (address, False)
            provider = first.descriptor.id
            assert host.check_provider(provider).same
            # The same with another digest: a custom section at its end.
            file.write_bytes(component + b"\0\3\1v\1")
            report = host.check_provider(provider, {"reference": address})
            assert (report.same, report.changes, report.open_jobs) == (False, [], 0)
            second = host.update_provider(provider, documents.ProviderSource(reference=address)).provider
            assert (second.digest, second.previous) == (report.to.digest, first.digest)
            with pytest.raises(errors.InvalidRequest):
                host.update_provider(provider, {"key": "no key"})
            server.shutdown()
        assert host.roll_back_provider(provider).provider.digest == first.digest
        with pytest.raises(errors.Unavailable):
            host.update_provider(provider)
        with pytest.raises(errors.InvalidArgument) as raised:
            host.add_provider({})
        assert raised.value.field == "reference"


def test_rows_of_an_import_are_reported_one_by_one(stage):
    rows = [{"inputs": {"password": "swordfish-swordfish"}, "reference": "7"}, documents.ImportRow(account_id="a")]
    report = stage.tenant.import_channels("app", rows, dry_run=True)
    assert isinstance(report, documents.ImportReport) and report.dry_run
    assert [row.status for row in report.rows] == [documents.ImportStatus.REFUSED] * 2
    assert (report.rows[0].reference, report.rows[0].error.code) == ("7", "unknown_input")
    assert report.counts == {"refused": 2}
    assert "swordfish" not in repr(report) + repr(documents.ImportRow(inputs={"password": "swordfish"}))
    with pytest.raises(errors.InvalidRequest):
        stage.tenant.import_channels("app", [])


def test_what_happened_is_read_where_it_was_left(stage):
    tenant = stage.tenant
    assert tenant.events() == documents.EventPage(events=[], next=0, last=0, missed=0)
    channel = stage.connect()
    page = tenant.events(0, wait_ms=60_000)
    assert [event.type for event in page.events] == ["channel.connected"]
    assert page.events[0].data.channel == channel.id and page.events[0].data.job is None
    assert tenant.events(page.next, wait_ms=20).events == []
    told = []
    follower = threading.Thread(target=lambda: told.append(next(tenant.follow_events(page.next))))
    follower.start()
    tenant.disconnect(channel.id)
    follower.join(60)
    assert told[0].type == "channel.disconnected" and told[0].number == 2
    with pytest.raises(errors.InvalidRequest) as raised:
        tenant.events(99)
    assert raised.value.code == "unknown_event"

    async def first():
        async with await AsyncHost.open() as host:
            assert (await host.tenant().events()).events == []

    asyncio.run(first())


def test_the_log_of_the_library_goes_to_a_logger(stage, tmp_path, caplog):
    channel = stage.connect()
    file = tmp_path / "video.mp4"
    write_video(file, 4096)
    forward_log()
    caplog.clear()
    caplog.set_level(logging.INFO, logger="social_channel")
    request = {"post": {"kind": "video"}, "media": [{"file": str(file)}], "publish_at": int(time.time()) + 3600}

    def stored():
        return [record for record in caplog.records if record.getMessage().startswith("publish stored")]

    job = stage.tenant.publish(channel.id, request)
    assert forward_log() >= 1
    assert len(stored()) == 1
    assert stored()[0].levelname == "INFO" and stored()[0].social_channel["job"] == job.id
    forward_log()
    assert len(stored()) == 1, "each line once"
    log_level("off")
    stage.tenant.publish(channel.id, request)
    log_level("info")
    forward_log()
    assert len(stored()) == 1, "what is not asked for is not noted"
    with pytest.raises(errors.InvalidArgument):
        log_level("loud")


def test_the_cause_of_a_failure_is_in_the_log(stage, tmp_path, caplog):
    channel = stage.connect()
    with sqlite3.connect(tmp_path / "data" / "social-channel.sqlite") as database:
        database.execute("ALTER TABLE accounts RENAME TO elsewhere")
    forward_log()
    caplog.clear()
    with pytest.raises(errors.Unavailable) as raised:
        stage.tenant.channel(channel.id)
    assert "see the log" in raised.value.remedy
    forward_log()
    causes = [record.social_channel["error"] for record in caplog.records if record.getMessage().startswith("a call failed")]
    assert len(causes) == 1 and "SqliteError" in causes[0] and "no such table: accounts" in causes[0]


def test_what_no_network_takes_is_refused_by_its_field(network, tmp_path):
    _, tenant, channel = network
    file = tmp_path / "video.mp4"
    write_video(file, 100_000)
    post = {"kind": "video", "text": "x", "visibility": "PUBLIC_TO_EVERYONE"}
    good = {"post": post, "media": [{"file": str(file)}]}
    bad = [
        ("kind", good | {"post": post | {"kind": "poll"}}),
        ("visibility", good | {"post": post | {"visibility": "EVERYBODY_IN_TOWN"}}),
        ("colour", good | {"post": post | {"options": {"colour": "red"}}}),
    ]
    for at in (1_577_836_800, int(time.time()) * 1000, 2**63 - 1, -(2**63)):
        bad += [("publish_at", good | {"publish_at": at}), ("deadline_at", good | {"deadline_at": at})]
    for field, request in bad:
        with pytest.raises(errors.InvalidRequest) as raised:
            tenant.publish(channel.id, request)
        assert raised.value.field == field and raised.value.remedy
        findings = tenant.check_post(channel.id, request)
        assert field in [one.subject for one in findings if one.severity == documents.Severity.ERROR]
    assert tenant.jobs() == [], "nothing is stored"


def test_memory_stays_flat_over_a_large_publish(network, tmp_path):
    policy, tenant, channel = network
    small, large = tmp_path / "small.mp4", tmp_path / "large.mp4"
    write_video(small, 70_000_000)
    write_video(large, 300_000_000)
    script = """
import json, resource, sys
from social_channel import Host
host = Host(data=sys.argv[1], policy=json.loads(sys.argv[2]))
tenant = host.tenant()

def published(file):
    post = {"kind": "video", "text": "x", "visibility": "PUBLIC_TO_EVERYONE"}
    job = tenant.publish(sys.argv[3], {"post": post, "media": [{"file": file}]})
    for job in tenant.follow(job.id, every_ms=50):
        pass
    assert job.status == "published", job
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = published(sys.argv[4])
print(published(sys.argv[5]) - before)
host.close()
"""
    tenant._host.close()
    words = [sys.executable, "-c", script, str(tmp_path / "data"), json.dumps(policy), channel.id, str(small), str(large)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 << 10, "KiB; the second file is 230 MB larger"


def test_a_job_is_stored_listed_and_cancelled(stage, tmp_path):
    channel = stage.connect()
    file = tmp_path / "video.mp4"
    write_video(file, 4096)
    request = {"post": {"kind": "video"}, "media": [{"file": str(file)}], "idempotency_key": "one"}
    job = stage.tenant.publish(channel.id, request)
    assert stage.tenant.publish(channel.id, request).id == job.id
    assert [one.id for one in stage.tenant.jobs(channel=channel.id)] == [job.id]
    if stage.tenant.job(job.id).status == documents.JobStatus.ACTIVE:
        stage.tenant.cancel_job(job.id)
    ended = stage.tenant.wait_for_job(job.id, 60_000)
    assert ended.status != documents.JobStatus.ACTIVE
    assert stage.tenant.job_history(job.id)


def test_a_webhook_is_judged_over_the_raw_bytes(stage):
    with pytest.raises(errors.Forbidden):
        stage.host.receive_webhook("app", b"x")
    reply, answer = stage.host.receive_webhook("app", b"x\0y", headers=[("X-Signature", "good")])
    assert (reply.content_type, answer) == ("text/plain; charset=utf-8", b"ok")


def test_calls_from_many_threads_run_at_once(stage):
    channel = stage.connect()
    failed = []

    def read():
        try:
            for _ in range(10):
                assert stage.tenant.profile(channel.id).display_name == "Test"
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_child_of_fork_is_refused(stage):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            stage.host.apps()
        except errors.InvalidArgument as error:
            code = 0 if error.code == "used_after_fork" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stage.host.apps()


def test_a_child_of_fork_opens_at_once_what_its_parent_closed(stage, tmp_path):
    channel = stage.connect()
    stage.host.close()
    for _ in range(5):
        with Host(data=tmp_path / "data", cache=CACHE) as host:
            assert host.tenant().profile(channel.id).display_name == "Test"
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with Host(data=tmp_path / "data", cache=CACHE) as host:
                    code = 0 if host.tenant().profile(channel.id).display_name == "Test" else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_asyncio_waits_without_holding_the_loop(tmp_path):
    async def story():
        async with await AsyncHost.open(data=tmp_path, cache=CACHE, limits={"idle_ms": 1_500}) as host:
            await host.load_provider_file(COMPONENTS / "test_provider.wasm")
            app = {"provider": "test-provider", "redirect_uri": "http://127.0.0.1:9/callback"}
            await host.put_app("app", app)
            tenant = host.tenant()
            begun = await tenant.begin_connect("app", owner="me")
            connected = await tenant.complete_connect("me", f"state={begun.redirect.state}")
            await host.put_app("app", {"settings": {"behaviour": "sleep"}})
            sleeping = asyncio.create_task(tenant.profile(connected.channel.id))
            turns = 0
            while not sleeping.done():
                turns += 1
                await asyncio.sleep(0)
            with pytest.raises(errors.LimitExceeded):
                await sleeping
            return turns

    # A blocked event loop would have run only once or twice.
    assert asyncio.run(story()) > 100


def test_documents_go_through_json_and_back():
    post = documents.Post(kind="video", options={"a": True, "b": 3, "c": "x", "d": ["y"]})
    request = documents.PublishRequest(post=post, media=[documents.Media(file="/ü.mp4")], publish_at=7)
    assert decode(documents.PublishRequest, json.loads(encode(request))) == request
    mapping = documents.ConnectTo(from_="https://a.test", to="http://127.0.0.1:1")
    assert json.loads(encode(mapping)) == {"from": "https://a.test", "to": "http://127.0.0.1:1"}
    newer = {"followers": 1, "other": [{"name": "a", "value": 2, "new": 3}], "new_member": 4}
    assert decode(documents.Stats, newer).other == [documents.Metric(name="a", value=2)]


def test_what_is_not_given_is_not_sent():
    assert json.loads(encode(documents.AppConfig(provider="p"))) == {"provider": "p", "settings": {}}


def test_keys_are_made():
    assert len(new_key()) == 64 and new_key() != new_key()


def test_what_may_be_secret_is_printed_as_stars():
    secret = "simsecret-0001"
    for document, name in [
        (documents.AppConfig(provider="p", settings={"client-secret": secret}), "provider='p'"),
        (documents.HostConfig(key=secret, data="/srv"), "data='/srv'"),
        (documents.HostConfig(proxy=f"http://me:{secret}@proxy:3128", data="/srv"), "data='/srv'"),
        (documents.ConnectOptions(owner=secret, inputs={"password": secret}, reconnect="ch"), "reconnect='ch'"),
    ]:
        for shown in (repr(document), str(document), f"{[document]}"):
            assert secret not in shown and "****" in shown and name in shown
    assert "settings={}" in repr(documents.AppConfig()), "what is empty is no secret"


def test_every_document_that_holds_a_setting_is_masked():
    # A document that prints a member with a secret type would be noticed.
    for kind in vars(documents).values():
        if dataclasses.is_dataclass(kind):
            masked = [one.name for one in dataclasses.fields(kind) if "SettingValue" in str(one.type)]
            assert not masked or "__repr__" in vars(kind) and "_masked" in kind.__repr__.__code__.co_names, kind


LONG = """
import os, signal, sys, threading
from social_channel import FOREVER, Host

# A program started in the background of a shell has the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
host = Host(data=sys.argv[1], background={background})
tenant = host.tenant()
print("ready", flush=True)
try:
    {call}
    print("came back")
except KeyboardInterrupt:
    print("interrupted", flush=True)
host.close()
print("closed")
"""


# The same for asyncio, whose calls run on threads of their own.
ASYNC = """
import asyncio, signal, sys
from social_channel import FOREVER, AsyncHost

signal.signal(signal.SIGINT, signal.default_int_handler)

async def story():
    async with await AsyncHost.open(data=sys.argv[1], background={background}) as host:
        tenant = host.tenant()
        print("ready", flush=True)
        await {call}
        print("came back")

try:
    asyncio.run(story())
except KeyboardInterrupt:
    print("interrupted", flush=True)
print("closed")
"""


@pytest.mark.parametrize("script", [LONG, ASYNC], ids=["plain", "asyncio"])
@pytest.mark.parametrize(
    ("call", "background"),
    [
        ("host.work(FOREVER)", False),
        ("host.work(50_000)", False),
        ("tenant.wait_for_job(sys.argv[2], 50_000)", False),
        # Without an end only where jobs are run.
        ("tenant.wait_for_job(sys.argv[2], float('inf'))", True),
    ],
)
def test_ctrl_c_arrives_at_once(stage, tmp_path, script, call, background):
    channel = stage.connect()
    file = tmp_path / "video.mp4"
    write_video(file, 4096)
    request = {"post": {"kind": "video"}, "media": [{"file": str(file)}], "publish_at": int(time.time()) + 3600}
    job = stage.tenant.publish(channel.id, request)
    command = [sys.executable, "-c", script.format(call=call, background=background), str(tmp_path / "data"), job.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        await_sleep(child.pid)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=45)[0] == "interrupted\nclosed\n"
    assert time.monotonic() - begun < 10


def await_sleep(pid):
    """Waits until the process sleeps in the kernel, which means that it is in the call."""
    still = 0
    end = time.monotonic() + 30
    while still < 10 and time.monotonic() < end:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        still = still + 1 if state == "S" else 0
        time.sleep(0.02)


def test_a_handler_that_raises_nothing_does_not_shorten_a_call(stage, tmp_path):
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.3)
    try:
        begun = time.monotonic()
        with Host(data=tmp_path / "other", background=False) as host:
            host.work(1_500)
        took = time.monotonic() - begun
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert took >= 1.5
    assert len(seen) >= 3 and seen[0] - begun < 1.0, "handlers run meanwhile"


def test_two_gigabytes_of_address_space_are_enough(stage, tmp_path):
    channel = stage.connect()
    stage.host.close()
    script = "import sys; from social_channel import Host; print(Host(data=sys.argv[1]).tenant().profile(sys.argv[2]).display_name)"
    # Without the shared cache, so that the component is compiled under the limit, too.
    words = [sys.executable, "-c", script, str(tmp_path / "data"), channel.id]
    done = subprocess.run(["sh", "-c", 'ulimit -v 2097152; exec "$0" "$@"', *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Test\n"), done.stderr


def test_the_limits_on_what_is_kept_are_those_of_the_configuration(tmp_path):
    with Host(data=tmp_path / "data", cache=CACHE, background=False, max_open_jobs=1, max_kept_jobs=5, job_days=7, history_days=3) as host:
        host.load_provider_file(COMPONENTS / "test_provider.wasm")
        host.put_app("app", {"provider": "test-provider", "redirect_uri": "http://127.0.0.1:9/callback"})
        tenant = host.tenant()
        begun = tenant.begin_connect("app", owner="me")
        channel = tenant.complete_connect("me", f"state={begun.redirect.state}").channel
        file = tmp_path / "video.mp4"
        write_video(file, 4096)
        request = {"post": {"kind": "video"}, "media": [{"file": str(file)}]}
        tenant.publish(channel.id, request)
        with pytest.raises(errors.QuotaExceeded):
            tenant.publish(channel.id, request)
    for member in ("max_open_jobs", "max_kept_jobs", "job_days", "history_days"):
        with pytest.raises(errors.InvalidRequest) as raised:
            Host(**{member: 0})
        assert raised.value.field == member


def test_memory_stays_flat_over_many_calls(tmp_path):
    script = """
import resource, sys
from social_channel import Host, errors
host = Host(data=sys.argv[1])
tenant = host.tenant()

def calls(count):
    for _ in range(count):
        host.apps()
        try:
            tenant.channel("none")
        except errors.NotFound:
            pass
        try:
            host.receive_webhook("none", b"x" * 10_000)
        except errors.SocialChannelError:
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = calls(1_000)
print(calls(5_000) - before)
host.close()
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # A kilobyte that each call left behind would be 15 MiB.
    assert int(done.stdout) < 6 << 10, "KiB"

"""Hosts, documents, threads, fork, asyncio."""

import asyncio
import json
import os
import threading

import pytest
from conftest import CACHE, COMPONENTS
from social_channel import AsyncHost, Host, documents, errors, new_key
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


def test_a_job_is_stored_listed_and_cancelled(stage, tmp_path):
    channel = stage.connect()
    file = tmp_path / "video.mp4"
    file.write_bytes(b"\0\0\0\x14ftypisom\0\0\x02\0isom")
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
    assert (reply.content_type, answer) == ("text/plain", b"ok")


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

    # A loop that was held would have had a turn or two.
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

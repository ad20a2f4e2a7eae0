"""`Host` and `Tenant`: the calls users make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ctypes import c_bool, c_size_t, c_uint64
from os import PathLike, fspath
from typing import Any

from . import _library as lib
from . import documents as doc
from ._codec import decode, encode

FOREVER = 2**64 - 1
"""For `Host.work`: until `Host.shutdown`."""


class Host:
    """Social Channel, opened. Usable from every thread; a context manager that closes it.

    `data` is the folder for everything that must last; `config` holds the other members of `HostConfig`, for example
    `background=False` for processes that are killed at will.
    """

    def __init__(self, data: str | PathLike[str] | None = None, **config: Any) -> None:
        if data is not None:
            config["data"] = fspath(data)
        self._handle = lib.open_host(encode(config))

    def close(self) -> None:
        """Lays jobs down and frees the host. Closing it twice does nothing."""
        handle = self._handle
        if handle is not None:
            self._handle = None
            lib.library().socialchannel_host_free(handle)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def _call(self, name: str, *arguments: Any, answers: bool = True) -> Any:
        return lib.call(f"host_{name}", self._handle, *arguments, answers=answers)

    # ---- providers

    def load_provider(self, component: bytes) -> doc.Loaded:
        """Installs a provider, or replaces the one of the same id while the host runs."""
        return decode(doc.Loaded, self._call("load_provider", component, c_size_t(len(component))))

    def load_provider_file(self, path: str | PathLike[str]) -> doc.Loaded:
        """As `load_provider`, from a file."""
        return decode(doc.Loaded, self._call("load_provider_file", fspath(path)))

    def inspect_provider(self, component: bytes) -> doc.ProviderInfo:
        """Looks at a component without installing it."""
        return decode(doc.ProviderInfo, self._call("inspect_provider", component, c_size_t(len(component))))

    def providers(self) -> list[doc.ProviderInfo]:
        """The installed providers, and components that open jobs still need."""
        return decode(list[doc.ProviderInfo], self._call("list_providers"))

    def unload_provider(self, provider: str) -> None:
        """Forgets a provider."""
        self._call("unload_provider", provider, answers=False)

    # ---- apps

    def put_app(self, app: str, config: doc.AppConfig | Mapping[str, Any]) -> doc.App:
        """Makes an app, or changes what `config` names of an existing one."""
        return decode(doc.App, self._call("put_app", app, encode(config)))

    def apps(self) -> list[doc.App]:
        """All apps; secrets are masked."""
        return decode(list[doc.App], self._call("list_apps"))

    def app(self, app: str) -> doc.App:
        """One app; secrets are masked."""
        return decode(doc.App, self._call("get_app", app))

    def delete_app(self, app: str) -> None:
        """Forgets an app that has no channels."""
        self._call("delete_app", app, answers=False)

    def check_app(self, app: str) -> list[doc.Finding]:
        """What is wrong with an app's settings."""
        return decode(list[doc.Finding], self._call("check_app", app))

    def app_guide(self, app: str) -> list[doc.GuideStep]:
        """The steps through the platform's portal."""
        return decode(list[doc.GuideStep], self._call("get_app_guide", app))

    # ---- work

    def work(self, longest_ms: int = 0) -> doc.Worked:
        """Drives all tenants' due jobs for so long; 0 does what is due now, `FOREVER` goes on until `shutdown`."""
        return decode(doc.Worked, self._call("work", c_uint64(longest_ms)))

    def shutdown(self, longest_ms: int = 30_000) -> None:
        """Lays jobs down; what is not finished goes on when a host is next opened on the same data."""
        self._call("shutdown", c_uint64(longest_ms), answers=False)

    def rotate_keys(self) -> int:
        """Encrypts everything anew under the first key; how many values were changed."""
        return lib.rotate_keys(self._handle)

    def receive_webhook(
        self, app: str, body: bytes, *, method: str = "POST", query: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> tuple[doc.WebhookReply, bytes]:
        """Takes a platform's call to an app's webhook address: the reply, and the bytes to answer."""
        head = encode({"method": method, "query": query, "headers": list(headers)})
        reply, answer = lib.receive_webhook(self._handle, app, head, body)
        return decode(doc.WebhookReply, reply), answer

    def tenant(self, name: str | None = None) -> Tenant:
        """A tenant's view; without a name, the one of a program that has only one."""
        return Tenant(self, name)


class Tenant:
    """The calls of one tenant: nothing of another can be reached through it."""

    def __init__(self, host: Host, name: str | None) -> None:
        self._host = host
        self._name = name

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._host._call(name, self._name, *arguments)

    # ---- connect

    def begin_connect(self, app: str, **options: Any) -> doc.Connect:
        """Begins to connect an account. `options` are the members of `ConnectOptions`; give `owner`."""
        return decode(doc.Connect, self._call("begin_connect", app, encode(options)))

    def complete_connect(self, owner: str, callback: str) -> doc.Connected:
        """Completes it with the query of the callback, exactly as received, or its whole address."""
        return decode(doc.Connected, self._call("complete_connect", owner, callback))

    def choose_account(self, owner: str, choice: str, account_id: str) -> doc.Channel:
        """Picks one of several accounts that a consent brought."""
        return decode(doc.Channel, self._call("choose_account", owner, choice, account_id))

    def channels(self) -> list[doc.Channel]:
        """All connected accounts."""
        return decode(list[doc.Channel], self._call("list_channels"))

    def channel(self, channel: str) -> doc.Channel:
        """One connected account."""
        return decode(doc.Channel, self._call("get_channel", channel))

    def disconnect(self, channel: str) -> doc.Disconnected:
        """Cancels the channel's jobs, tells the platform, and forgets the channel."""
        return decode(doc.Disconnected, self._call("disconnect", channel))

    # ---- read

    def profile(self, channel: str) -> doc.Profile:
        """Who the account is."""
        return decode(doc.Profile, self._call("get_profile", channel))

    def stats(self, channel: str) -> doc.Stats:
        """The account's numbers."""
        return decode(doc.Stats, self._call("get_stats", channel))

    def list_posts(self, channel: str, limit: int = 20, cursor: str | None = None) -> doc.PostPage:
        """One page of the account's posts, newest first."""
        query = doc.ListQuery(limit=limit, cursor=cursor)
        return decode(doc.PostPage, self._call("list_posts", channel, encode(query)))

    def get_posts(self, channel: str, ids: Sequence[str]) -> list[doc.PostSummary]:
        """Posts by id, with fresh numbers and covers."""
        return decode(list[doc.PostSummary], self._call("get_posts", channel, encode(list(ids))))

    # ---- publish

    def publish_form(self, channel: str) -> doc.PublishForm:
        """What the account may post now."""
        return decode(doc.PublishForm, self._call("get_publish_form", channel))

    def check_post(self, channel: str, request: doc.PublishRequest | Mapping[str, Any]) -> list[doc.Finding]:
        """Everything that can be known of a post without posting it."""
        return decode(list[doc.Finding], self._call("check_post", channel, encode(request)))

    def publish(self, channel: str, request: doc.PublishRequest | Mapping[str, Any]) -> doc.Job:
        """Stores a publish job; it is on disk when this returns."""
        return decode(doc.Job, self._call("publish", channel, encode(request)))

    def jobs(self, **query: Any) -> list[doc.Job]:
        """Jobs, newest first. `query` are the members of `JobQuery`."""
        return decode(list[doc.Job], self._call("list_jobs", encode(query)))

    def job(self, job: str) -> doc.Job:
        """One job, without waiting."""
        return decode(doc.Job, self._call("get_job", job))

    def wait_for_job(self, job: str, longest_ms: int) -> doc.Job:
        """Waits until the job has ended or pauses, or the time is up."""
        return decode(doc.Job, self._call("wait_for_job", job, c_uint64(longest_ms)))

    def follow(self, job: str, every_ms: int = 200) -> Iterator[doc.Job]:
        """The job again and again as it moves, up to its end or pause. Ctrl-C works between two looks."""
        while True:
            seen = self.wait_for_job(job, every_ms)
            yield seen
            if seen.status != doc.JobStatus.ACTIVE:
                return

    def cancel_job(self, job: str) -> doc.Job:
        """Asks to cancel a job; its end says what came of that."""
        return decode(doc.Job, self._call("cancel_job", job))

    def resume_job(self, job: str) -> doc.Job:
        """Goes on with a job now."""
        return decode(doc.Job, self._call("resume_job", job))

    def change_job(self, job: str, change: doc.JobChange | Mapping[str, Any]) -> doc.Job:
        """Changes a job of which nothing can have been posted yet."""
        return decode(doc.Job, self._call("change_job", job, encode(change)))

    def retry_job(self, job: str, looked: bool = False) -> doc.Job:
        """A new job for what an ended one did not publish."""
        return decode(doc.Job, self._call("retry_job", job, c_bool(looked)))

    def resolve_job(self, job: str, *, posted: bool, post_id: str | None = None, url: str | None = None) -> doc.Job:
        """Says what a person found after a job ended `unknown`."""
        found = doc.Resolution(posted=posted, post_id=post_id, url=url)
        return decode(doc.Job, self._call("resolve_job", job, encode(found)))

    def job_history(self, job: str) -> list[doc.HistoryRow]:
        """Every attempt of a job."""
        return decode(list[doc.HistoryRow], self._call("get_job_history", job))

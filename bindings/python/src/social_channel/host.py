"""`Host` and `Tenant`: the calls for users."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from . import _library as lib
from . import documents as doc
from . import errors
from ._codec import decode, encode

FOREVER = lib.FOREVER
"""For `Host.work`: until `Host.shutdown`."""


class Host:
    """An open host. Usable from every thread; a context manager that closes it.

    `data` is the folder for everything that must last; `config` holds the other members of `HostConfig`, for example
    `background=False` for processes that are killed at will. Paths are whole ones: a relative one is refused, for it
    would depend on where the program happens to run.
    """

    def __init__(self, data: str | PathLike[str] | None = None, **config: Any) -> None:
        if data is not None:
            config["data"] = fspath(data)
        self._handle = lib.open_host(encode(config))
        for doubt in self.doubts():
            if doubt.subject == "key":
                warnings.warn(f"{doubt.message} {doubt.remedy}", stacklevel=2)

    def close(self) -> None:
        """Releases jobs and frees the host. Closing it twice does nothing."""
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

    def _call(self, name: str, *arguments: Any) -> Any:
        return lib.call(f"host_{name}", self._handle, *arguments)

    # ---- providers

    def load_provider(self, component: bytes) -> doc.Loaded:
        """Installs a provider, or replaces the one of the same id while the host runs."""
        return decode(doc.Loaded, self._call("load_provider", component))

    def load_provider_file(self, path: str | PathLike[str]) -> doc.Loaded:
        """Like `load_provider`, from a file."""
        return decode(doc.Loaded, self._call("load_provider_file", fspath(path)))

    def add_provider(self, source: doc.ProviderSource | Mapping[str, Any] | str) -> doc.Loaded:
        """Installs a provider from a registry or an https address: `ghcr.io/acme/bluesky:1.2`, or with who must have signed it."""
        source = {"reference": source} if isinstance(source, str) else source
        return decode(doc.Loaded, self._call("add_provider", encode(source)))

    def check_provider(
        self, provider: str, source: doc.ProviderSource | Mapping[str, Any] | None = None
    ) -> doc.UpgradeReport:
        """What there is now where it came from, and what replacing the installed one by it would change."""
        return decode(doc.UpgradeReport, self._call("check_provider", provider, encode(source or {})))

    def update_provider(
        self, provider: str, source: doc.ProviderSource | Mapping[str, Any] | None = None
    ) -> doc.Loaded:
        """Installs what there is now where it came from. What it replaces is kept."""
        return decode(doc.Loaded, self._call("update_provider", provider, encode(source or {})))

    def roll_back_provider(self, provider: str) -> doc.Loaded:
        """Installs again what was replaced last, from the database. A second time undoes the first."""
        return decode(doc.Loaded, self._call("roll_back_provider", provider))

    def inspect_provider(self, component: bytes) -> doc.ProviderInfo:
        """Inspects a component without installing it."""
        return decode(doc.ProviderInfo, self._call("inspect_provider", component))

    def providers(self) -> list[doc.ProviderInfo]:
        """The installed providers, and components that open jobs still need."""
        return decode(list[doc.ProviderInfo], self._call("list_providers"))

    def unload_provider(self, provider: str) -> None:
        """Deletes a provider."""
        self._call("unload_provider", provider)

    # ---- apps

    def put_app(self, app: str, config: doc.AppConfig | Mapping[str, Any]) -> doc.App:
        """Creates an app, or changes the members of an existing app that `config` has."""
        return decode(doc.App, self._call("put_app", app, encode(config)))

    def apps(self) -> list[doc.App]:
        """All apps; secrets are masked."""
        return decode(list[doc.App], self._call("list_apps"))

    def app(self, app: str) -> doc.App:
        """One app; secrets are masked."""
        return decode(doc.App, self._call("get_app", app))

    def delete_app(self, app: str) -> None:
        """Deletes an app that has no channels."""
        self._call("delete_app", app)

    def doubts(self) -> list[doc.Finding]:
        """Why what this host stores may not be safe, as found when it was opened; those of the key are warnings, too."""
        return decode(list[doc.Finding], self._call("get_doubts"))

    def check_app(self, app: str) -> list[doc.Finding]:
        """Checks an app's settings."""
        return decode(list[doc.Finding], self._call("check_app", app))

    def app_guide(self, app: str) -> list[doc.GuideStep]:
        """The steps through the platform's portal."""
        return decode(list[doc.GuideStep], self._call("get_app_guide", app))

    # ---- work

    def work(self, longest_ms: float = 0) -> doc.Worked:
        """Runs all tenants' due jobs for this long; 0 does what is due now, `FOREVER` continues until `shutdown`.

        Ctrl-C, and whatever a signal handler raises, arrives at once. Jobs under way then go on until `close`.
        """
        left = _Left(longest_ms)
        worked: doc.Worked = decode(doc.Worked, self._call("work", left.milliseconds()))
        while worked.interrupted and left.milliseconds() > 0:
            # The handler raised nothing: the wait continues, as with every blocking call of Python.
            more = decode(doc.Worked, self._call("work", left.milliseconds()))
            more.jobs, more.accounts = more.jobs + worked.jobs, more.accounts + worked.accounts
            worked = more
        return worked

    def shutdown(self, longest_ms: float = 30_000) -> None:
        """Releases jobs; unfinished ones continue when a host is next opened on the same data."""
        self._call("shutdown", longest_ms)

    def rotate_keys(self) -> int:
        """Encrypts everything again with the first key; returns how many values were changed."""
        return lib.rotate_keys(self._handle)

    def receive_webhook(
        self, app: str, body: bytes, *, method: str = "POST", query: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> tuple[doc.WebhookReply, bytes]:
        """Receives a webhook of an app: returns the reply and the response body. `body` is the received
        bytes, before any decoding."""
        head = encode({"method": method, "query": query, "headers": list(headers)})
        reply, answer = lib.receive_webhook(self._handle, app, head, body)
        return decode(doc.WebhookReply, reply), answer

    def tenant(self, name: str | None = None) -> Tenant:
        """The view of one tenant; without a name, the default tenant."""
        return Tenant(self, name)


class _Left:
    """The rest of a duration."""

    def __init__(self, longest_ms: float) -> None:
        self._whole = lib.milliseconds("longest_ms", longest_ms)
        self._begun = time.monotonic()

    def milliseconds(self) -> int:
        if self._whole == FOREVER:
            return FOREVER
        return max(0, self._whole - int((time.monotonic() - self._begun) * 1000))


class Tenant:
    """The calls of one tenant; it gives no access to other tenants."""

    def __init__(self, host: Host, name: str | None) -> None:
        lib.text("tenant", name, absent=True)
        self._host = host
        self._name = name

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._host._call(name, self._name, *arguments)

    # ---- connect

    def begin_connect(self, app: str, *, owner: str, **options: Any) -> doc.Connect:
        """Begins to connect an account. `owner` identifies who begins, such as the browser's session, and must be given
        again to complete; any other value is refused. `options` are the other members of `ConnectOptions`."""
        options["owner"] = _owner(owner)
        return decode(doc.Connect, self._call("begin_connect", app, encode(options)))

    def import_channels(
        self,
        app: str,
        rows: Sequence[doc.ImportRow | Mapping[str, Any]],
        *,
        dry_run: bool = False,
        wait_seconds: int = 0,
    ) -> doc.ImportReport:
        """Connects accounts without a browser, of which the caller holds what replaces it, such as refresh tokens.

        Returns when all rows are done, and reports each. Rows that are done are left alone when the same ones are given
        again, as after a kill."""
        document = {"dry_run": dry_run, "wait_seconds": wait_seconds, "rows": list(rows)}
        return decode(doc.ImportReport, self._call("import_channels", app, encode(document)))

    def complete_connect(self, owner: str, callback: str) -> doc.Connected:
        """Completes it with the query of the callback, exactly as received, or its whole URL."""
        return decode(doc.Connected, self._call("complete_connect", _owner(owner), callback))

    def choose_account(self, owner: str, choice: str, account_id: str) -> doc.Channel:
        """Connects one of several accounts that a consent returned."""
        return decode(doc.Channel, self._call("choose_account", _owner(owner), choice, account_id))

    def channels(self) -> list[doc.Channel]:
        """All connected accounts."""
        return decode(list[doc.Channel], self._call("list_channels"))

    def channel(self, channel: str) -> doc.Channel:
        """One connected account."""
        return decode(doc.Channel, self._call("get_channel", channel))

    def disconnect(self, channel: str) -> doc.Disconnected:
        """Cancels the channel's jobs, tells the platform, and deletes the access.

        Jobs, consents and numbers are kept: the same account connected to the same app again is the same channel.
        """
        return decode(doc.Disconnected, self._call("disconnect", channel))

    # ---- read

    def profile(self, channel: str) -> doc.Profile:
        """The account's profile."""
        return decode(doc.Profile, self._call("get_profile", channel))

    def stats(self, channel: str) -> doc.Stats:
        """The account's statistics."""
        return decode(doc.Stats, self._call("get_stats", channel))

    def list_posts(self, channel: str, limit: int = 20, cursor: str | None = None) -> doc.PostPage:
        """One page of the account's posts, newest first."""
        query = doc.ListQuery(limit=limit, cursor=cursor)
        return decode(doc.PostPage, self._call("list_posts", channel, encode(query)))

    def get_posts(self, channel: str, ids: Sequence[str]) -> list[doc.PostSummary]:
        """Posts by id, with current statistics and covers."""
        if isinstance(ids, str):
            raise TypeError("`ids` must be a list of ids, and one str was given")
        return decode(list[doc.PostSummary], self._call("get_posts", channel, encode(list(ids))))

    # ---- publish

    def publish_form(self, channel: str) -> doc.PublishForm:
        """What the account may post now."""
        return decode(doc.PublishForm, self._call("get_publish_form", channel))

    def check_post(self, channel: str, request: doc.PublishRequest | Mapping[str, Any]) -> list[doc.Finding]:
        """Checks a post as far as possible without posting it."""
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

    def wait_for_job(self, job: str, longest_ms: float) -> doc.Job:
        """Waits until the job has ended or pauses, or the time is up (`FOREVER`: no limit). Ctrl-C ends it.

        A host with `background=False` runs no job here, so it refuses `FOREVER`: without a worker the wait would never end.
        """
        left = _Left(longest_ms)
        while True:
            seen = decode(doc.Job, self._call("wait_for_job", job, left.milliseconds()))
            # It returned early because of a signal whose handler raised nothing.
            if seen.status != doc.JobStatus.ACTIVE or left.milliseconds() == 0:
                return seen

    def follow(self, job: str, every_ms: float = 200) -> Iterator[doc.Job]:
        """Yields the job after every change, until it ends or pauses."""
        while True:
            seen = self.wait_for_job(job, every_ms)
            yield seen
            if seen.status != doc.JobStatus.ACTIVE:
                return

    def cancel_job(self, job: str) -> doc.Job:
        """Requests the cancellation of a job; its final status shows the result."""
        return decode(doc.Job, self._call("cancel_job", job))

    def resume_job(self, job: str) -> doc.Job:
        """Continues a job now."""
        return decode(doc.Job, self._call("resume_job", job))

    def change_job(self, job: str, change: doc.JobChange | Mapping[str, Any]) -> doc.Job:
        """Changes a job of which nothing can have been posted yet."""
        return decode(doc.Job, self._call("change_job", job, encode(change)))

    def retry_job(self, job: str, looked: bool = False) -> doc.Job:
        """A new job for what an ended one did not publish; the same one when asked for again, until that failed too."""
        return decode(doc.Job, self._call("retry_job", job, looked))

    def resolve_job(self, job: str, *, posted: bool, post_id: str | None = None, url: str | None = None) -> doc.Job:
        """Records what a person found after a job ended `unknown`."""
        found = doc.Resolution(posted=posted, post_id=post_id, url=url)
        return decode(doc.Job, self._call("resolve_job", job, encode(found)))

    def job_history(self, job: str) -> list[doc.HistoryRow]:
        """Every attempt of a job."""
        return decode(list[doc.HistoryRow], self._call("get_job_history", job))


    # ---- events

    def events(self, after: int | None = None, limit: int = 100, wait_ms: float = 0) -> doc.EventPage:
        """What happened to jobs and channels, oldest first, after the number `after` (None: from the oldest that is kept).

        Without any event it waits for one for this long (`FOREVER`: no limit; Ctrl-C ends it). Store the page's `next`
        with what you do about the events: then none is missed, and none comes again. Events are kept for a week.
        """
        left = _Left(wait_ms)
        query: dict[str, Any] = {"limit": limit} if after is None else {"limit": limit, "after": after}
        while True:
            page = decode(doc.EventPage, self._call("list_events", encode(query), left.milliseconds()))
            # It returned early because of a signal whose handler raised nothing.
            if page.events or left.milliseconds() == 0:
                return page

    def follow_events(self, after: int | None = None) -> Iterator[doc.Event]:
        """Yields every event after the number `after`, and waits for more."""
        while True:
            page = self.events(after, wait_ms=FOREVER)
            yield from page.events
            after = page.next


def _owner(owner: str) -> str:
    """Checks the owner of a connect. Without one, any browser could complete it."""
    if lib.text("owner", owner) == b"":
        message = "`owner` is empty: anyone could complete this connect, and another person's account would be connected for this person"
        remedy = "give a text that only this person's browser has, such as the id of a session that was started"
        raise errors.InvalidRequest({"kind": "invalid_request", "message": message, "remedy": remedy, "field": "owner"})
    return owner

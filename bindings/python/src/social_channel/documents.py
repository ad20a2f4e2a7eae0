"""The documents that cross the border, as dataclasses. Made by generate.py from the JSON Schemas; do not edit.

An absent value is None: unknown, never zero. Members that a newer library adds are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Digest = str
"""SHA-256 as 64 lower-case hexadecimal digits."""

OptionValue = bool | int | str | list[str]
"""The value of an option or a form field."""

OriginPattern = str
"""An origin, or a family of origins. The module's table has the forms."""

SettingValue = str
"""A setting's value: it may be a secret, so it is never printed."""


@dataclass(kw_only=True)
class App:
    """An app, as it is shown."""

    created_at: int
    """Seconds since 1970."""

    digest: Digest
    """The component it runs."""

    id: str
    """Its name."""

    listing: Listing
    """What the platform's portal says about the app."""

    missing_settings: list[str]
    """Required settings that have no value: nothing works before they are set."""

    origins: list[str]
    """Origins granted to the provider."""

    provider: str
    """The provider's id."""

    settings: list[ShownSetting]
    """All settings the provider knows. Values of secrets are masked."""

    updated_at: int
    """Seconds since 1970."""

    redirect_uri: str | None = None
    """Where the platform sends the browser back to; without one of its own, below the host's public address."""

    tenant: str | None = None
    """The tenant it serves; absent: all."""

    webhook_url: str | None = None
    """Where the platform sends webhooks; absent without a public address."""


@dataclass(kw_only=True)
class AppConfig:
    """How an app is to be. Of an existing app only what is given changes."""

    listing: Listing | None = None
    """What the platform's portal says about the app, to be checked. Replaces what was given before."""

    origins: list[str] | None = None
    """Origins granted to the provider. A new app without it grants what the provider asks for. An app that stays
    with an older component for want of a grant moves to the installed one once it is granted."""

    provider: str | None = None
    """The provider's id, for example `tiktok`. Needed for a new app."""

    redirect_uri: str | None = None
    """Where the platform sends the browser back to. A port of `*` stands for any loopback port."""

    settings: dict[str, SettingValue] = field(default_factory=dict)
    """Setting names and values. An empty value forgets the setting."""

    tenant: str | None = None
    """Serves this tenant only. A new app without it serves all."""


@dataclass(kw_only=True)
class Candidate:
    """One of several accounts."""

    account_id: str
    """The platform's stable id."""

    display_name: str
    """For people."""

    avatar_url: str | None = None
    """May stop working after some hours."""


@dataclass(kw_only=True)
class Channel:
    """A connected account, as it is shown."""

    account_id: str
    """The platform's stable id of the account."""

    app: str
    """The app it was connected with."""

    connected_at: int
    """Seconds since 1970."""

    display_name: str
    """May change at the platform."""

    health: Health
    """What it can do at present."""

    id: str
    """Our own id of it."""

    missing_scopes: list[str]
    """Permissions asked for and not granted."""

    scopes: list[str]
    """Permissions granted."""

    avatar_url: str | None = None
    """May stop working after some hours."""

    connection_ends_at: int | None = None
    """When the connection ends unless it is renewed; seconds since 1970."""

    health_detail: str | None = None
    """Why, and what to do."""

    warning: str | None = None
    """Says when the connection will end, ahead of that."""


@dataclass(kw_only=True)
class Choice:
    """One choice of a field."""

    label: str
    """What is shown."""

    value: str
    """What is sent."""


@dataclass(kw_only=True)
class Condition:
    """Holds while `field` has one of `values`."""

    field: str
    """A field's name, or `kind`."""

    values: list[str]
    """A flag reads `true` or `false`; a field without a value the empty text."""


@dataclass(kw_only=True)
class ConnectRedirect:
    """Send the person's browser there."""

    expires_at: int
    """Seconds since 1970."""

    state: str
    """Comes back in the callback."""

    url: str
    """The platform's page."""


@dataclass(kw_only=True)
class Connect:
    """What comes next."""

    redirect: ConnectRedirect | None = None
    """Send the person's browser there."""

    done: Connected | None = None
    """No browser was needed."""


@dataclass(kw_only=True)
class ConnectOptions:
    """How to begin."""

    choose_account: bool = False
    """Let the person pick another account even if the browser is signed in to one."""

    inputs: dict[str, str] = field(default_factory=dict)
    """By the names of the provider's connect inputs."""

    owner: str = ''
    """Whoever begins: a reference that must be given again to complete, such as a hash of the browser's session
    cookie. Anybody else is refused, or a stranger's account would land in the wrong workspace."""

    reconnect: str | None = None
    """The channel that is to be connected again. Another account is then refused."""

    redirect_uri: str | None = None
    """Instead of the app's own callback URL; needed where that has a port of `*`."""


@dataclass(kw_only=True)
class ConnectTo:
    """`connect-to FROM = TO`: requests to an origin go to another one, and keep their `Host` header."""

    from_: OriginPattern
    """What the provider asks for."""

    to: str
    """Scheme, host and port that answer instead."""


@dataclass(kw_only=True)
class ConnectedChoose:
    """Several accounts: the person picks one."""

    candidates: list[Candidate]
    """What there is."""

    choice: str
    """To be given back with the choice."""


@dataclass(kw_only=True)
class Connected:
    """What a consent brought."""

    channel: Channel | None = None
    """One account, connected."""

    choose: ConnectedChoose | None = None
    """Several accounts: the person picks one."""


@dataclass(kw_only=True)
class Consequence:
    """What a rule does to the form."""

    hide: str | None = None
    """Leave the field out; it has no value."""

    disable: Restriction | None = None
    """Grey it out; it has no value."""

    notice: Notice | None = None
    """Show these words."""

    block: str | None = None
    """Grey out the publish button, and why."""


@dataclass(kw_only=True)
class Copyable:
    """A value to copy into the platform's portal."""

    label: str
    """What the portal calls it."""

    value: str
    """The value."""


@dataclass(kw_only=True)
class Descriptor:
    """What a provider is."""

    abilities: list[str]
    """`profile`, `stats`, `list`, `publish-video`, `publish-photos`, `publish-text`."""

    connect_inputs: list[Setting]
    """What the person may type in when connecting."""

    id: str
    """Lower-case, stable, for example `tiktok`."""

    name: str
    """For people."""

    origins: list[str]
    """Origins it calls; the operator grants them."""

    scopes: list[Scope]
    """Permissions it may ask for."""

    settings: list[Setting]
    """What the operator sets."""

    version: str
    """Of the provider, semver."""


@dataclass(kw_only=True)
class Disconnected:
    """What a disconnect came to."""

    revoked: bool
    """The platform was told to forget the grant."""

    note: str | None = None
    """Why it was not, if it was not."""


@dataclass(kw_only=True)
class DomainRecord:
    """A TXT record that proves to the platform who owns a domain, as its portal shows it."""

    domain: str
    """The name that has the record, for example `example.com`."""

    value: str
    """What the record says, for example `site-verification=…`."""


@dataclass(kw_only=True)
class Error:
    """Why a call failed, for a program (`kind`, `code`) and for a person (`message`, `remedy`).  Never holds a
    credential. In JSON the members are those of this structure; absent ones are left out."""

    kind: ErrorKind
    """What the caller should do next."""

    message: str
    """One plain sentence."""

    code: str | None = None
    """The platform's own code, unchanged."""

    field: str | None = None
    """The setting, post field, option or permission that is at fault."""

    operation: str | None = None
    """The call that failed, by its name in the contract (for example `get-profile`)."""

    outcome: Outcome | None = None
    """For calls with effects: what is known of the effect."""

    provider: str | None = None
    """The provider that was called."""

    remedy: str | None = None
    """What the person or the operator can do about it."""

    retry_after_ms: int | None = None
    """Milliseconds to wait before the next try."""

    trace_id: str | None = None
    """The platform's own reference for its support (for example a log id)."""


class ErrorKind(StrEnum):
    """What the caller should do next."""

    INVALID_ARGUMENT = "invalid_argument"
    """Fix the call: a pointer is NULL, text is not UTF-8, a document is malformed."""

    INVALID_REQUEST = "invalid_request"
    """Fix the request: a value is missing, too long, not offered or of the wrong form."""

    UNAUTHORIZED = "unauthorized"
    """Connect the account again."""

    FORBIDDEN = "forbidden"
    """Ask the person for one more permission; `field` names it."""

    NOT_FOUND = "not_found"
    """Look elsewhere."""

    REJECTED = "rejected"
    """Change the content or the account; repeating it unchanged cannot help."""

    RATE_LIMITED = "rate_limited"
    """Wait, then retry."""

    UNAVAILABLE = "unavailable"
    """Retry with growing pauses."""

    OUTCOME_UNKNOWN = "outcome_unknown"
    """Find out what happened; never retry blindly."""

    UNSUPPORTED = "unsupported"
    """Use another provider."""

    MISCONFIGURED = "misconfigured"
    """Let the operator fix the settings."""

    AUTHORIZATION_DENIED = "authorization_denied"
    """The person declined, or the platform did not let this person connect."""

    QUOTA_EXCEEDED = "quota_exceeded"
    """Wait for a new day or a raised allowance."""

    OTHER = "other"
    """Read the message."""

    DENIED_BY_POLICY = "denied_by_policy"
    """Ask the operator for the grant."""

    LIMIT_EXCEEDED = "limit_exceeded"
    """Raise a limit or shrink the work."""

    PROVIDER_FAULT = "provider_fault"
    """Replace the provider: it trapped or broke the contract."""

    INCOMPATIBLE = "incompatible"
    """Install a provider that was built for this version of the contract."""

    LOAD_FAILED = "load_failed"
    """The file is no provider."""

    INTERNAL = "internal"
    """Report a bug."""


@dataclass(kw_only=True)
class Finding:
    """One result of a check."""

    message: str
    """One plain sentence."""

    severity: Severity
    """Only `error` stops a post."""

    subject: str
    """What was checked: a setting, a post field or a topic."""

    code: str | None = None
    """The platform's own code."""

    remedy: str | None = None
    """What to do."""


@dataclass(kw_only=True)
class FormField:
    """A field of the publish form."""

    applies_to: list[str]
    """Kinds of post it belongs to."""

    choices: list[Choice]
    """Of a `choice`."""

    kind: str
    """`flag`, `number`, `text`, `texts`, `choice`, `url`."""

    label: str
    """For people."""

    name: str
    """`title`, `text` and `visibility` fill these members of `Post`; any other name is an option."""

    required: bool
    """Must be filled in."""

    default_value: OptionValue | None = None
    """Absent: unticked, empty, nothing chosen."""

    help: str | None = None
    """A sentence below it."""

    max_length: TextLimit | None = None
    """Of a text."""


@dataclass(kw_only=True)
class GuideStep:
    """One step on the way through the platform's portal."""

    body: str
    """Markdown, a few sentences."""

    copy: list[Copyable]
    """Values to copy into the portal."""

    title: str
    """What it is about."""


class Health(StrEnum):
    """What an account can do at present."""

    ACTIVE = "active"
    """All asked-for permissions are there."""

    LIMITED = "limited"
    """Some permissions were not granted; see `missing_scopes`."""

    NEEDS_RECONNECT = "needs_reconnect"
    """The person must connect it again."""


@dataclass(kw_only=True)
class HistoryRow:
    """One attempt of a job."""

    at_ms: int
    """Milliseconds since 1970."""

    call: str
    """What was called: `publish_form`, `begin_publish`, `continue_publish`, `cancel_publish`; or what else moved
    the job: `deadline`, `change`, `move`, `resolve`."""

    phase: str
    """What the job was doing."""

    result: str
    """How the job stands since (as `JobStatus`), or the kind of the error."""

    code: str | None = None
    """The platform's own code."""

    message: str | None = None
    """One sentence, where there is an error."""

    trace_id: str | None = None
    """The platform's reference for its support."""


@dataclass(kw_only=True)
class HostConfig:
    """How a host is to be. The empty document opens one that ends with the process."""

    background: bool | None = None
    """Whether publish jobs are driven in the background as soon as they are stored; true by default. Where
    processes are killed at will (PHP under FPM), say false and run a worker."""

    cache: str | None = None
    """The folder for compiled components, if it is not to lie in `data`."""

    data: str | None = None
    """The folder for everything that must last: `social-channel.sqlite`, the key file `master.key` and `cache/`.
    Made if missing, readable by its owner only. Without it (and without `database`) everything ends with the
    process."""

    database: str | None = None
    """The SQLite file, if it is not to lie in `data`."""

    dns_server: str | None = None
    """The name server that checks of domains ask, as `ADDRESS:PORT`; without it the system's."""

    key: str | None = None
    """The master key: 64 hexadecimal digits; several keys are separated by commas, and the first one seals.
    Without it and without `key_file`: the variable `SOCIAL_CHANNEL_MASTER_KEY`, else the file `master.key`
    beside the database, made if missing."""

    key_file: str | None = None
    """A file that holds the master key; it must exist."""

    limits: LimitsConfig | None = None
    """What one call may use."""

    media_folder: str | None = None
    """A folder of which callers may name files."""

    policy: Policy | None = None
    """What the operator allows all apps: private networks, mapped origins. Origins are granted by app."""

    public_address: str | None = None
    """Where the world reaches the service in front of this host: scheme, host and port. Media that a platform
    fetches itself get their addresses from it."""


@dataclass(kw_only=True)
class Job:
    """A publish job, as it is shown."""

    app: str
    """The app that channel was connected with."""

    attempts: int
    """Failed attempts of the present step."""

    bytes_sent: int
    """Of the media."""

    bytes_total: int
    """Of the media."""

    cancel_requested: bool
    """Somebody asked to cancel it."""

    channel: str
    """The channel it publishes on."""

    created_at: int
    """Seconds since 1970."""

    deadline_at: int
    """Given up after this instant; seconds since 1970."""

    digest: Digest
    """The component that drives it."""

    id: str
    """Its name."""

    media: list[MediaInfo]
    """Its media."""

    phase: str
    """`waiting`, `checking`, `uploading`, `processing`, or the platform's own word."""

    post: Post
    """What it publishes."""

    priority: int
    """As asked for."""

    quotas: list[Quota]
    """The account's allowances, as the provider last told them to this job. One that is used up holds it."""

    references: list[str]
    """The platform's ids of this publish."""

    status: JobStatus
    """Where it stands."""

    updated_at: int
    """Seconds since 1970."""

    consent: dict[str, str] | None = None
    """What the person agreed to."""

    ended_at: int | None = None
    """Seconds since 1970."""

    error: Error | None = None
    """Why it waits, or how it ended."""

    idempotency_key: str | None = None
    """The caller's key."""

    moved_from: Digest | None = None
    """The component that it was moved from, and that it goes back to if the present one cannot go on with it."""

    next_attempt_at: int | None = None
    """When it goes on by itself; seconds since 1970."""

    post_id: str | None = None
    """The platform's id of the post, once it tells."""

    publish_at: int | None = None
    """As asked for; seconds since 1970."""

    resolution: Resolution | None = None
    """What a person found after `unknown`."""

    retry_of: str | None = None
    """The job that this one repeats."""

    sent_at: int | None = None
    """When a request that may make the post was first begun; seconds since 1970. Absent: nothing can have been
    posted."""

    url: str | None = None
    """The post's page."""


@dataclass(kw_only=True)
class JobChange:
    """What to change of a job that has sent nothing yet. Absent: stays as it is."""

    consent: dict[str, str] | None = None
    """As `PublishRequest::consent`."""

    deadline_at: int | None = None
    """As `PublishRequest::deadline_at`."""

    post: Post | None = None
    """The post, chosen anew."""

    priority: int | None = None
    """As `PublishRequest::priority`."""

    publish_at: int | None = None
    """As `PublishRequest::publish_at`."""


@dataclass(kw_only=True)
class JobQuery:
    """Which jobs to list."""

    before: str | None = None
    """Only those that come after this job in the list: its next page."""

    channel: str | None = None
    """Of this channel only."""

    limit: int = 100
    """At most this many; 100 by default."""

    status: JobStatus | None = None
    """In this state only."""


class JobStatus(StrEnum):
    """Where a publish job stands."""

    ACTIVE = "active"
    """Going on, or waiting for its time."""

    PAUSED = "paused"
    """Waits for a person; `error` says for what."""

    PUBLISHED = "published"
    """It is out."""

    FAILED = "failed"
    """Nothing was posted."""

    UNKNOWN = "unknown"
    """Whether it was posted is not known; `error` says where to look."""

    CANCELLED = "cancelled"
    """Ended on request; nothing was posted."""


@dataclass(kw_only=True)
class LimitsConfig:
    """Of `Limits`, what a program commonly changes. Absent: as by default."""

    calls: int | None = None
    """Calls at the same time; further ones wait. 1,024 by default."""

    idle_ms: int | None = None
    """The longest time without progress; a minute by default."""

    memory: int | None = None
    """Bytes of memory of one call; 64 MiB by default."""

    total_ms: int | None = None
    """The longest time in all; 15 minutes by default."""


@dataclass(kw_only=True)
class Link:
    """A link inside a notice."""

    text: str
    """A part of the notice's text."""

    url: str
    """`https`."""


@dataclass(kw_only=True)
class ListQuery:
    """Which posts to list."""

    limit: int
    """At most this many; the provider lowers it to what the platform allows."""

    cursor: str | None = None
    """`next_cursor` of the page before."""


@dataclass(kw_only=True)
class Listing:
    """What the portal says about an app. The host only checks it: each address must open for anybody, each
    record must be in the zone of its domain."""

    domain_records: list[DomainRecord] = field(default_factory=list)
    """TXT records that prove who owns a domain, where the portal asks for that."""

    icon_url: str | None = None
    """Its picture."""

    privacy_url: str | None = None
    """Its privacy policy."""

    terms_url: str | None = None
    """Its terms of service."""

    website_url: str | None = None
    """The product's own page."""


@dataclass(kw_only=True)
class Loaded:
    """What came of loading a component."""

    provider: ProviderInfo
    """The component."""

    waiting: list[WaitingApp]
    """Apps that stay with their older component, and the origins they would have to grant."""


@dataclass(kw_only=True)
class Media:
    """Bytes to publish, as a caller names them."""

    file: str | None = None
    """A file of this machine, by its absolute path. For embedding programs and the command line only."""

    url: str | None = None
    """An `https` address, read by ranges."""

    upload: str | None = None
    """The id of an upload that the host keeps."""

    name: str | None = None
    """A file below the operator's media folder, for example `clips/one.mp4`."""

    alt_text: str | None = None
    """What it shows, for people who cannot see it."""

    content_type: str | None = None
    """Instead of what name and bytes say."""

    public_url: str | None = None
    """Where the platform itself can fetch the bytes until the publish has ended."""


@dataclass(kw_only=True)
class MediaInfo:
    """What the host knows of a media item. Absent means unknown, not zero."""

    content_type: str
    """For example `video/mp4`."""

    size: int
    """Bytes."""

    alt_text: str | None = None
    """What it shows, for people who cannot see it."""

    codec: str | None = None
    """For example `h264`."""

    duration_ms: int | None = None
    """Milliseconds."""

    file_name: str | None = None
    """The last part of its path."""

    frame_rate: float | None = None
    """Frames per second."""

    height: int | None = None
    """Pixels."""

    public_url: str | None = None
    """Where the platform itself can fetch the bytes until the publish has ended."""

    width: int | None = None
    """Pixels."""


@dataclass(kw_only=True)
class Metric:
    """A named number that has no field of its own."""

    name: str
    """The platform's word."""

    value: int
    """The number."""


@dataclass(kw_only=True)
class Notice:
    """To be shown in exactly these words."""

    links: list[Link]
    """Parts of the text that are links."""

    text: str
    """The words."""

    field: str | None = None
    """The field it belongs to; absent: next to the publish button."""


class Outcome(StrEnum):
    """What is known of a call with effects that failed."""

    NOT_DONE = "not_done"
    """It changed nothing."""

    UNKNOWN = "unknown"
    """It may have had its effect: look before trying again."""


@dataclass(kw_only=True)
class Policy:
    """What one app may reach."""

    allow_private_networks: bool = False
    """Whether private, loopback and link-local addresses may be reached."""

    allow_remote_targets: bool = False
    """Whether `connect_to` may name other machines."""

    connect_to: list[ConnectTo] = field(default_factory=list)
    """Requests to an origin go elsewhere, for tests and sandboxes. Tokens go with them, so the target is on this
    machine unless `allow_remote_targets` says otherwise."""

    origins: list[OriginPattern] = field(default_factory=list)
    """Origins that may be called; none by default."""


@dataclass(kw_only=True)
class Post:
    """What to publish, besides the media."""

    kind: str
    """`video`, `photos`, `text`."""

    options: dict[str, OptionValue] = field(default_factory=dict)
    """By the names of the form's other fields."""

    text: str | None = None
    """Caption or text."""

    title: str | None = None
    """Where the platform has titles."""

    visibility: str | None = None
    """A choice of the form's `visibility` field."""


@dataclass(kw_only=True)
class PostKind:
    """A kind of post, and the media it takes. Absent means no limit is known."""

    content_types: list[str]
    """For example `video/mp4`."""

    label: str
    """For people."""

    max_media: int
    """Most media items."""

    min_media: int
    """Fewest media items."""

    name: str
    """As in `Post::kind`."""

    needs_public_url: bool
    """The platform fetches the bytes: every item must have a `public_url`."""

    max_duration_ms: int | None = None
    """Milliseconds."""

    max_size: int | None = None
    """Bytes, of each item."""


@dataclass(kw_only=True)
class PostPage:
    """One page of posts, newest first."""

    posts: list[PostSummary]
    """May be fewer than asked for."""

    next_cursor: str | None = None
    """Absent on the last page, and only there."""


@dataclass(kw_only=True)
class PostStats:
    """Numbers of a post."""

    other: list[Metric]
    """What else the platform counts."""

    comments: int | None = None
    """Comments."""

    likes: int | None = None
    """Likes."""

    shares: int | None = None
    """Shares."""

    views: int | None = None
    """Times seen."""


@dataclass(kw_only=True)
class PostSummary:
    """A post, as lists show it."""

    id: str
    """Exact: large numeric ids stay text."""

    kind: str
    """`video`, `photos`, `text`, or the platform's own word."""

    stats: PostStats
    """Its numbers."""

    cover_url: str | None = None
    """May stop working after some hours."""

    created_at: int | None = None
    """When it was posted."""

    duration_ms: int | None = None
    """Milliseconds."""

    embed_url: str | None = None
    """A player."""

    height: int | None = None
    """Pixels."""

    text: str | None = None
    """Its text."""

    title: str | None = None
    """Its title."""

    url: str | None = None
    """Its page."""

    width: int | None = None
    """Pixels."""


@dataclass(kw_only=True)
class Profile:
    """Who an account is."""

    display_name: str
    """The shown name; may change."""

    id: str
    """The platform's stable id."""

    avatar_url: str | None = None
    """May stop working after some hours."""

    bio: str | None = None
    """What it says of itself."""

    url: str | None = None
    """Its page."""

    username: str | None = None
    """The handle, without `@`."""

    verified: bool | None = None
    """Has a badge."""


@dataclass(kw_only=True)
class ProviderInfo:
    """A component, as it is shown."""

    apps: list[str]
    """Apps that run it."""

    descriptor: Descriptor
    """What it says of itself."""

    digest: Digest
    """Its name."""

    imports: list[str]
    """Interfaces it needs."""

    installed: bool
    """New apps of this provider run it."""

    interfaces: list[str]
    """Interfaces it implements, with the version of the contract it was built for."""

    size: int
    """Bytes."""


@dataclass(kw_only=True)
class PublishForm:
    """What an account may post now."""

    account_name: str
    """Who will be seen as the author."""

    fields: list[FormField]
    """In the order in which they are shown."""

    kinds: list[PostKind]
    """What may be posted."""

    quotas: list[Quota]
    """Allowances."""

    rules: list[Rule]
    """Taken in order."""

    account_avatar_url: str | None = None
    """May stop working after some hours."""

    blocked: BlockedForm | None = None
    """The account cannot post at present, and why."""


@dataclass(kw_only=True)
class PublishRequest:
    """What to publish, and how."""

    post: Post
    """The post."""

    consent: dict[str, str] | None = None
    """What the person agreed to: for example `by` (who), `at` (when) and `words` (the notices next to the
    publish button, exactly as shown). Kept with the job. Where it has `words` and the platform meanwhile
    wants others, the job stops and asks."""

    deadline_at: int | None = None
    """Given up after this instant; seconds since 1970. Absent: 48 hours after the job may begin, which holds a
    whole day's allowance, used up at noon."""

    idempotency_key: str | None = None
    """The same key and request again: the same job. Unique in the tenant."""

    media: list[Media] = field(default_factory=list)
    """Its media."""

    priority: int = 0
    """-100 to 100. Of due jobs, each step up goes first by a minute; nothing waits for ever."""

    publish_at: int | None = None
    """Not before this instant; seconds since 1970."""


@dataclass(kw_only=True)
class Quota:
    """An allowance."""

    maximum: int
    """Of."""

    name: str
    """What is counted."""

    used: int
    """So far."""

    resets_at: int | None = None
    """When it starts anew."""


@dataclass(kw_only=True)
class Resolution:
    """What a person found after a job ended `unknown`."""

    posted: bool
    """The post is there. False: the person looked, and it is not."""

    post_id: str | None = None
    """The platform's id of the post, if the person knows it."""

    url: str | None = None
    """The post's page, if the person knows it."""


@dataclass(kw_only=True)
class Restriction:
    """What is greyed out, and why."""

    because: str
    """Shown with it, in exactly these words."""

    field: str
    """The field."""

    choice: str | None = None
    """One choice of it; absent: all of it."""


@dataclass(kw_only=True)
class Rule:
    """Applies while all conditions hold, and always if there are none."""

    conditions: list[Condition]
    """All must hold."""

    consequence: Consequence
    """What follows."""


@dataclass(kw_only=True)
class Scope:
    """A permission at the platform."""

    abilities: list[str]
    """Abilities lost without it."""

    name: str
    """As the platform names it."""

    purpose: str
    """Why it is needed, in words an app reviewer accepts."""


@dataclass(kw_only=True)
class Setting:
    """A value the operator or the person types in; forms are drawn from these."""

    choices: list[str]
    """Values of a `choice`, or suggestions for a `list`."""

    kind: str
    """`text`, `secret`, `url`, `choice`, `flag` (`true` or `false`), `list` (one value a line)."""

    label: str
    """What the form calls it."""

    name: str
    """Kebab-case, for example `client-key`."""

    required: bool
    """Nothing works without it."""

    default_value: str | None = None
    """Taken where nothing is set."""

    help: str | None = None
    """A sentence below it."""


class Severity(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    """Checked, and good."""

    INFO = "info"
    """Good to know."""

    WARNING = "warning"
    """Works, and may not be what was meant."""

    ERROR = "error"
    """Will not work."""


@dataclass(kw_only=True)
class ShownSetting:
    """A setting, as it is shown."""

    choices: list[str]
    """Values of a `choice`, or suggestions for a `list`."""

    is_default: bool
    """The value is the provider's default."""

    kind: str
    """`text`, `secret`, `url`, `choice`, `flag` (`true` or `false`), `list` (one value a line)."""

    label: str
    """What the form calls it."""

    name: str
    """Kebab-case, for example `client-key`."""

    required: bool
    """Nothing works without it."""

    default_value: str | None = None
    """Taken where nothing is set."""

    help: str | None = None
    """A sentence below it."""

    value: str | None = None
    """Its value; of a secret `****` and its last four characters."""


@dataclass(kw_only=True)
class Stats:
    """Numbers of an account."""

    other: list[Metric]
    """What else the platform counts."""

    followers: int | None = None
    """Accounts that follow it."""

    following: int | None = None
    """Accounts it follows."""

    likes: int | None = None
    """Over all posts."""

    posts: int | None = None
    """Public posts."""


@dataclass(kw_only=True)
class TextLimit:
    """How long a text may be."""

    maximum: int
    """In units."""

    unit: str
    """`utf-16` (code units), `characters` (code points), `graphemes`, `bytes`, or the platform's own."""


@dataclass(kw_only=True)
class WaitingApp:
    """An app whose grants a new component goes beyond."""

    app: str
    """Its name."""

    missing_origins: list[str]
    """What it would have to grant."""


@dataclass(kw_only=True)
class WebhookHead:
    """What a platform sent to a webhook address, besides its body."""

    method: str
    """`GET` or `POST`."""

    headers: list[list[Any]] = field(default_factory=list)
    """Names and values, in the order received; names may be repeated, their case does not matter."""

    query: str = ''
    """What stands behind `?` in the address, as received."""


@dataclass(kw_only=True)
class WebhookReply:
    """What to answer a platform's webhook, besides the body."""

    new_events: int
    """Events that were not known before."""

    content_type: str | None = None
    """None: an empty body."""


@dataclass(kw_only=True)
class Worked:
    """What a round of work came to."""

    accounts: int
    """Idle accounts that were refreshed."""

    jobs: int
    """Times a job was taken up."""


BlockedForm = Error
"""Why a form is blocked: an `Error`, compared by its text only."""

"""Bluesky by app password, as a provider in Python: connect, profile, publish texts.

    ./build.sh bluesky.wasm
    social-channel providers inspect bluesky.wasm

The key of a post is chosen in `begin_publish` and kept in the state, so that a step may be repeated: it is announced as
`idempotent`. What a provider in Python has to know is in docs/authors.md.
"""

import asyncio
import json
from datetime import datetime, timezone

import wit_world
from componentize_py_types import Err, Ok
from componentize_py_async_support.streams import ByteStreamWriter
from wit_world.exports.channel import (
    Connection, ConnectStep_Connected, Descriptor, Effect, NextStep_Cancelled, NextStep_Proceed,
    NextStep_Published, PostKind, Profile, Publication, PublishedPost, PublishForm, PublishStep,
)
from wit_world.imports import client, random, system_clock
from wit_world.imports.social_channel_types import (
    Account, Error, ErrorKind, Field, Finding, Severity, TextLimit,
)
from wit_world.imports.wasi_http_types import (
    ErrorCode_ConnectionRefused, ErrorCode_DestinationUnavailable, ErrorCode_DnsError, Fields,
    Method_Get, Method_Post, Request, Response, Scheme_Https,
)

HOST = "bsky.social"
COLLECTION = "app.bsky.feed.post"
LONGEST_TEXT = 300
ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


def error(kind, message, **more):
    parts = dict(remedy=None, code=None, field=None, retry_after=None, trace_id=None, details=[])
    return Err(Error(kind, message, **(parts | more)))


def field(name, label, kind, **more):
    parts = dict(help=None, choices=[], required=True, default_value=None, limits=[], applies_to=[], details=[])
    return Field(name, label, kind=kind, **(parts | more))


async def call(name, query="", token=None, body=None, posts=False):
    """One request; its answer as JSON. `posts`: where the answer is lost, a post may have come of it."""
    headers = [("accept", b"application/json")]
    if token is not None:
        headers.append(("authorization", f"Bearer {token}".encode()))
    contents, writer = None, None
    if body is not None:
        data = json.dumps(body).encode()
        headers += [("content-type", b"application/json"), ("content-length", str(len(data)).encode())]
        writer, contents = wit_world.byte_stream()
    trailers, trailers_end = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(
        lambda: Ok(None))
    request, _ = Request.new(Fields.from_list(headers), contents, trailers_end, None)
    # Resolved before the request is sent, or one without a body never ends.
    with trailers:
        pass
    request.set_method(Method_Get() if query else Method_Post())
    request.set_scheme(Scheme_Https())
    request.set_authority(HOST)
    request.set_path_with_query(f"/xrpc/{name}{query}")
    # Everything that was started is awaited, or the call traps.
    response, *_ = await asyncio.gather(
        client.send(request), *([write(writer, data)] if writer is not None else []), return_exceptions=True)
    if isinstance(response, Err):
        sent = not isinstance(response.value, (
            ErrorCode_ConnectionRefused, ErrorCode_DestinationUnavailable, ErrorCode_DnsError))
        kind = ErrorKind.OUTCOME_UNKNOWN if posts and sent else ErrorKind.UNAVAILABLE
        raise error(kind, "Bluesky could not be reached.")
    status = response.get_status_code()
    answers = dict(response.get_headers().copy_all())
    text = await read(response)
    try:
        answer = json.loads(text.decode())
    except ValueError:
        answer = None
    if 200 <= status < 300 and isinstance(answer, dict):
        return answer
    raise refusal(status, answer if isinstance(answer, dict) else {}, answers, posts)


async def write(writer: ByteStreamWriter, data: bytes):
    with writer:
        await writer.write_all(data)


async def read(response: Response) -> bytes:
    result, result_end = wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))
    with result:
        pass
    body, _ = Response.consume_body(response, result_end)
    data = b""
    with body:
        while not body.writer_dropped and len(data) < 1 << 20:
            data += await body.read(64 << 10)
    return data


def refusal(status, answer, headers, posts):
    """What the caller does next, by the status and the name of the error."""
    name = answer.get("error", "")
    parts = dict(code=name or None)
    if status == 429:
        wait = headers.get("retry-after", b"")
        if wait.isdigit():
            parts["retry_after"] = int(wait) * 1000
        return error(ErrorKind.RATE_LIMITED, "Bluesky wants a pause.", **parts)
    if name == "ExpiredToken":
        return error(ErrorKind.CREDENTIALS_EXPIRED, "The session has expired.", **parts)
    if name == "AuthenticationRequired":
        return error(ErrorKind.AUTHORIZATION_DENIED, "Bluesky does not know this handle with this app password.",
                     remedy="Make an app password in Bluesky's settings, and connect with it.", **parts)
    if status == 401 or name == "InvalidToken":
        return error(ErrorKind.UNAUTHORIZED, "The session has ended.", remedy="Connect the account again.", **parts)
    if status >= 500 or status < 300:
        # Of a success that cannot be read a post may have come.
        kind = ErrorKind.OUTCOME_UNKNOWN if posts and status < 300 else ErrorKind.UNAVAILABLE
        return error(kind, "Bluesky is out of order.", **parts)
    return error(ErrorKind.REJECTED, "Bluesky refused it: " + str(answer.get("message", status))[:200], **parts)


def session_of(account: Account) -> dict:
    try:
        session = json.loads(account.credentials.decode())
        return {name: session[name] for name in ("did", "handle", "access", "refresh")}
    except (ValueError, KeyError, TypeError):
        raise error(ErrorKind.UNAUTHORIZED, "The credentials cannot be read.",
                    remedy="Connect the account again.") from None


def connection(answer: dict) -> Connection:
    try:
        session = dict(did=answer["did"], handle=answer["handle"],
                       access=answer["accessJwt"], refresh=answer["refreshJwt"])
    except KeyError:
        raise error(ErrorKind.UNAVAILABLE, "Bluesky's answer has another form.") from None
    account = Account(session["did"], json.dumps(session).encode(), [])
    return Connection(account, session["handle"], session["handle"], None, "person", None, None, None, None, [], [])


def step(state: dict, phase: str, following, posts=()) -> PublishStep:
    return PublishStep(json.dumps(state).encode(), None, phase, 0, 0, Publication(list(posts), [], []), following, [])


def state_of(state: bytes) -> dict:
    try:
        read = json.loads(state.decode())
        return {name: read[name] for name in ("key", "at")}
    except (ValueError, KeyError, TypeError):
        raise error(ErrorKind.UNSUPPORTED, "This publish was begun by another version of the provider.") from None


def findings(post, media) -> list[Finding]:
    length = len(post.text or "")
    wrong = {
        "kind": post.kind != "text" and "Only texts can be posted.",
        "text": not 0 < length <= LONGEST_TEXT and f"A text has 1 to {LONGEST_TEXT} characters.",
        "media": len(media) > 0 and "Texts take no media.",
        "title": post.title is not None and "Texts have no title.",
        "visibility": post.visibility is not None and "Everybody sees every text.",
        "parts": len(post.parts) > 0 and "Threads are not supported.",
    } | {option.name: "There is no such option." for option in post.options}
    return [Finding(Severity.ERROR, subject, why, None, None, []) for subject, why in wrong.items() if why]


class Channel(wit_world.exports.Channel):
    def describe(self):
        inputs = [field("handle", "Handle", "text", help="For example alice.bsky.social."),
                  field("app-password", "App password", "secret",
                        help="Made in Bluesky's settings, below Privacy and security.")]
        return Descriptor("bluesky-python", "Bluesky (Python)", "0.1.0", ["profile", "publish"], [], inputs, [],
                          [f"https://{HOST}"], [])

    async def begin_connect(self, request):
        inputs = dict(request.inputs)
        handle, password = inputs.get("handle", "").lstrip("@"), inputs.get("app-password", "")
        if not handle or not password:
            raise error(ErrorKind.INVALID_REQUEST, "Handle and app password are needed.")
        body = dict(identifier=handle, password=password)
        return ConnectStep_Connected([connection(await call("com.atproto.server.createSession", body=body))])

    async def complete_connect(self, session, callback):
        raise error(ErrorKind.UNSUPPORTED, "Connecting needs no browser.")

    async def refresh_credentials(self, account):
        try:
            answer = await call("com.atproto.server.refreshSession", token=session_of(account)["refresh"])
        except Err as failure:
            if failure.value.kind == ErrorKind.CREDENTIALS_EXPIRED:
                failure.value.kind = ErrorKind.UNAUTHORIZED
            raise
        return connection(answer)

    async def disconnect(self, account):
        await call("com.atproto.server.deleteSession", token=session_of(account)["refresh"])

    async def get_profile(self, account):
        session = session_of(account)
        answer = await call("app.bsky.actor.getProfile", f"?actor={session['did']}", session["access"])
        handle = answer.get("handle", session["handle"])
        return Profile(session["did"], handle, answer.get("displayName") or handle, answer.get("description"),
                       f"https://bsky.app/profile/{handle}", answer.get("avatar"), None, [])

    async def get_stats(self, account):
        raise error(ErrorKind.UNSUPPORTED, "Numbers are not supported.")

    async def list_posts(self, account, query):
        raise error(ErrorKind.UNSUPPORTED, "Lists are not supported.")

    async def get_posts(self, account, ids):
        raise error(ErrorKind.UNSUPPORTED, "Lists are not supported.")

    async def get_publish_form(self, account):
        limits = [TextLimit(1, LONGEST_TEXT, "code-points", None)]
        kind = PostKind("text", "Text", 0, 0, [], 0, [])
        return PublishForm(session_of(account)["handle"], None, [kind],
                           [field("text", "Text", "multiline", limits=limits)], [], [], None, [])

    async def check_post(self, account, post, media):
        return findings(post, media)

    async def begin_publish(self, account, post, media):
        for finding in findings(post, media):
            raise error(ErrorKind.INVALID_REQUEST, finding.message, field=finding.subject)
        key = "3" + "".join(ALPHABET[byte % 32] for byte in random.get_random_bytes(12))
        at = datetime.fromtimestamp(system_clock.now().seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return step(dict(key=key, at=at), "publishing", NextStep_Proceed(Effect.IDEMPOTENT))

    async def continue_publish(self, account, post, state, media, resume):
        state, session = state_of(state), session_of(account)
        record = {"$type": COLLECTION, "text": post.text, "createdAt": state["at"]}
        body = dict(repo=session["did"], collection=COLLECTION, rkey=state["key"], record=record)
        await call("com.atproto.repo.putRecord", token=session["access"], body=body, posts=True)
        uri = f"at://{session['did']}/{COLLECTION}/{state['key']}"
        link = f"https://bsky.app/profile/{session['did']}/post/{state['key']}"
        return step(state, "published", NextStep_Published(None), [PublishedPost(uri, link, "post", "public", None, [])])

    async def cancel_publish(self, account, post, state, resume):
        state, session = state_of(state), session_of(account)
        if resume.interrupted:
            # It may be out: deleting what is not there is no error.
            body = dict(repo=session["did"], collection=COLLECTION, rkey=state["key"])
            await call("com.atproto.repo.deleteRecord", token=session["access"], body=body)
        return step(state, "cancelled", NextStep_Cancelled())

"""The provider `{name}`: accounts are names, posts are texts in the host's storage. Replace both by a network.

Import every module here: at run time there are no files. Decode bytes as UTF-8 before reading JSON from them. Await what
was started before returning. An exception that is no `Err` ends the call as a fault of the provider.
"""

import json

import wit_world
from componentize_py_types import Err
from wit_world.exports.channel import (
    Connection, ConnectStep_Connected, Descriptor, Effect, NextStep_Cancelled, NextStep_Proceed,
    NextStep_Published, PostKind, PostPage, PostSummary, Profile, Publication, PublishedPost, PublishForm,
    PublishStep,
)
from wit_world.imports import random, storage
from wit_world.imports.social_channel_types import (
    Account, Error, ErrorKind, Field, Finding, Severity, TextLimit,
)

LONGEST_TEXT = 280


def error(kind, message, field=None):
    return Err(Error(kind, message, None, None, field, None, None, []))


def field(name, label, kind, limits=()):
    return Field(name, label, None, kind, [], True, None, list(limits), [], [])


def findings(post, media):
    length = len(post.text or "")
    wrong = {
        "kind": post.kind != "text",
        "text": not 0 < length <= LONGEST_TEXT,
        "media": len(media) > 0,
        "title": post.title is not None,
        "visibility": post.visibility is not None,
        "parts": len(post.parts) > 0,
    } | {option.name: True for option in post.options}
    # What is not supported is refused by name, never ignored.
    return [Finding(Severity.ERROR, name, f"This {name} cannot be posted.", None, None, [])
            for name, is_wrong in wrong.items() if is_wrong]


def decoded(state):
    try:
        post = json.loads(state.decode())
        return {"id": post["id"], "text": post["text"]}
    except (ValueError, KeyError, TypeError):
        raise error(ErrorKind.UNSUPPORTED, "This publish was begun by another version.") from None


async def posts(account):
    try:
        entry = await storage.get(account.id)
    except Err:
        raise error(ErrorKind.UNAVAILABLE, "The posts cannot be read now.") from None
    return (json.loads(entry.value.decode()), entry.version) if entry is not None else ([], 0)


async def change(account, how):
    """Changes the posts, unless another call has changed them meanwhile: then it is asked to come again."""
    known, version = await posts(account)
    # A value of the storage has at most 64 KiB.
    value = json.dumps(how(known)[-50:]).encode()
    try:
        await storage.set(account.id, value, storage.SetOptions(version, None))
    except Err:
        raise error(ErrorKind.UNAVAILABLE, "The posts cannot be written now.") from None


def summary(post):
    return PostSummary(post["id"], "text", None, post["text"], None, None, None, None, [], [], [])


def step(state, phase, following, posts=()):
    return PublishStep(state, None, phase, 0, 0, Publication(list(posts), [], []), following, [])


class Channel(wit_world.exports.Channel):
    def describe(self):
        # The first list that is empty is for the operator's settings, the last but one for origins, such as
        # `https://api.example.com`: requests go to these only.
        return Descriptor("{name}", "{name}", "0.1.0", ["profile", "list", "publish"], [],
                          [field("name", "Your name", "text")], [], [], [])

    async def begin_connect(self, request):
        name = dict(request.inputs).get("name", "")
        if not 0 < len(name) <= 100:
            raise error(ErrorKind.INVALID_REQUEST, "A name of at most 100 characters is needed.", "name")
        account = Account(name, b"", [])
        return ConnectStep_Connected([Connection(account, name, name, None, None, None, None, None, None, [], [])])

    async def complete_connect(self, session, callback):
        raise error(ErrorKind.UNSUPPORTED, "Connecting needs no browser.")

    async def refresh_credentials(self, account):
        raise error(ErrorKind.UNSUPPORTED, "The credentials never expire.")

    async def disconnect(self, account):
        pass

    async def get_profile(self, account):
        return Profile(account.id, None, account.id, None, None, None, None, [])

    async def get_stats(self, account):
        raise error(ErrorKind.UNSUPPORTED, "There are no numbers.")

    async def list_posts(self, account, query):
        known, _ = await posts(account)
        newest = known[::-1]
        if query.cursor is not None:
            ids = [post["id"] for post in newest]
            newest = newest[ids.index(query.cursor) + 1:] if query.cursor in ids else []
        limit = min(max(query.limit, 1), 50)
        page = newest[:limit]
        return PostPage([summary(post) for post in page], page[-1]["id"] if len(newest) > limit else None, [])

    async def get_posts(self, account, ids):
        known, _ = await posts(account)
        return [summary(post) for post in known if post["id"] in ids]

    async def get_publish_form(self, account):
        limits = [TextLimit(None, LONGEST_TEXT, "code-points", None)]
        kind = PostKind("text", "Text", 0, 0, [], 0, [])
        return PublishForm(account.id, None, [kind], [field("text", "Text", "multiline", limits)], [], [], None, [])

    async def check_post(self, account, post, media):
        return findings(post, media)

    async def begin_publish(self, account, post, media):
        for finding in findings(post, media):
            raise error(ErrorKind.INVALID_REQUEST, finding.message, finding.subject)
        # Chosen before the post is made, so that making it again makes no second one.
        state = {"id": random.get_random_bytes(8).hex(), "text": post.text}
        return step(json.dumps(state).encode(), "publishing", NextStep_Proceed(Effect.IDEMPOTENT))

    async def continue_publish(self, account, post, state, media, resume):
        new = decoded(state)
        await change(account, lambda known: known if new in known else known + [new])
        out = PublishedPost(new["id"], None, "post", "public", None, [])
        return step(state, "published", NextStep_Published(None), [out])

    async def cancel_publish(self, account, post, state, resume):
        gone = decoded(state)
        await change(account, lambda known: [post for post in known if post != gone])
        return step(state, "cancelled", NextStep_Cancelled())

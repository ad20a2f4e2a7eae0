// The provider `{name}`: accounts are names, posts are texts in the host's storage. Replace both by a network; an example with
// requests is examples/provider-javascript of Social Channel.
//
// This is plain ECMAScript: there is no fetch, URL, TextEncoder, setTimeout or console. `u64` is BigInt, bytes are Uint8Array,
// an absent option is null. What is thrown is an error of the contract; anything else ends the call as a fault of the provider.

import storage from "social:channel/storage@0.1.0";
import random from "wasi:random/random@0.3.0";

const LONGEST_TEXT = 280;
// A value of the storage has at most 64 KiB.
const MOST_POSTS = 50;

const error = (kind, message, field = null) =>
  ({ kind, message, remedy: null, code: null, field, retryAfter: null, traceId: null, details: [] });
const unsupported = (message) => error("unsupported", message);

const toBytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (it) => it.charCodeAt(0));
const toText = (bytes) => decodeURIComponent(escape(Array.from(bytes, (it) => String.fromCharCode(it)).join("")));

const field = (name, label, kind, limits = []) => ({
  name, label, help: null, kind, choices: [], required: true, defaultValue: null, limits, appliesTo: [], details: [],
});

function findings(post, media) {
  const length = [...(post.text ?? "")].length;
  const wrong = {
    kind: post.kind !== "text",
    text: length === 0 || length > LONGEST_TEXT,
    media: media.length > 0,
    title: post.title !== null,
    visibility: post.visibility !== null,
    parts: post.parts.length > 0,
  };
  // What is not supported is refused by name, never ignored.
  for (const option of post.options) wrong[option.name] = true;
  return Object.keys(wrong).filter((subject) => wrong[subject]).map((subject) =>
    ({ severity: "error", subject, message: `This ${subject} cannot be posted.`, remedy: null, code: null, details: [] }));
}

function decoded(state) {
  try {
    const { id, text } = JSON.parse(toText(state));
    if (typeof id === "string" && typeof text === "string") return { id, text };
  } catch {
    // Said below.
  }
  throw unsupported("This publish was begun by another version.");
}

async function posts(account) {
  let entry;
  try {
    entry = await storage.get(account.id);
  } catch {
    throw error("unavailable", "The posts cannot be read now.");
  }
  return entry === null ? { known: [], version: 0n } : { known: JSON.parse(toText(entry.value)), version: entry.version };
}

// Changes the posts, unless another call has changed them meanwhile: then it is asked to come again.
async function change(account, how) {
  const { known, version } = await posts(account);
  const value = toBytes(JSON.stringify(how(known).slice(-MOST_POSTS)));
  try {
    await storage.set(account.id, value, { ifVersion: version, ttl: null });
  } catch {
    throw error("unavailable", "The posts cannot be written now.");
  }
}

const summary = ({ id, text }) => ({
  id, kind: "text", title: null, text, url: null, embedUrl: null, thumbnailUrl: null, createdAt: null, media: [], metrics: [],
  details: [],
});

const step = (state, phase, next, out = []) => ({
  state, reference: null, phase, bytesSent: 0n, bytesTotal: 0n, publication: { posts: out, findings: [], details: [] }, next,
  details: [],
});

export const channel = {
  // `settings` are for the operator; requests go to `origins` only, such as `https://api.example.com`.
  describe: () => ({
    id: "{name}", name: "{name}", version: "0.1.0", abilities: ["profile", "list", "publish"], settings: [],
    connectInputs: [field("name", "Your name", "text")], scopes: [], origins: [], details: [],
  }),

  async beginConnect(request) {
    const name = new Map(request.inputs).get("name") ?? "";
    if (name.length === 0 || name.length > 100) {
      throw error("invalid-request", "A name of at most 100 characters is needed.", "name");
    }
    const account = { id: name, credentials: new Uint8Array(), scopes: [] };
    const connection = {
      account, displayName: name, username: name, avatarUrl: null, kind: null, parentId: null, grant: null, expiresAt: null,
      refreshExpiresAt: null, missingScopes: [], details: [],
    };
    return { tag: "connected", val: [connection] };
  },

  async completeConnect() {
    throw unsupported("Connecting needs no browser.");
  },

  async refreshCredentials() {
    throw unsupported("The credentials never expire.");
  },

  async disconnect() {},

  async getProfile(account) {
    return {
      id: account.id, username: null, displayName: account.id, bio: null, url: null, avatarUrl: null, verified: null, details: [],
    };
  },

  async getStats() {
    throw unsupported("There are no numbers.");
  },

  async listPosts(account, query) {
    const newest = (await posts(account)).known.reverse();
    const at = query.cursor === null ? 0 : newest.findIndex(({ id }) => id === query.cursor) + 1 || newest.length;
    const limit = Math.min(Math.max(query.limit, 1), MOST_POSTS);
    const page = newest.slice(at, at + limit);
    const nextCursor = newest.length > at + limit ? page.at(-1).id : null;
    return { posts: page.map(summary), nextCursor, details: [] };
  },

  async getPosts(account, ids) {
    return (await posts(account)).known.filter(({ id }) => ids.includes(id)).map(summary);
  },

  async getPublishForm(account) {
    const limit = { minimum: null, maximum: LONGEST_TEXT, unit: "code-points", linkLength: null };
    const kind = { name: "text", label: "Text", minMedia: 0, maxMedia: 0, media: [], maxParts: 0, details: [] };
    return {
      accountName: account.id, accountAvatarUrl: null, kinds: [kind], fields: [field("text", "Text", "multiline", [limit])],
      rules: [], quotas: [], blocked: null, details: [],
    };
  },

  async checkPost(account, post, media) {
    return findings(post, media);
  },

  async beginPublish(account, post, media) {
    for (const { message, subject } of findings(post, media)) throw error("invalid-request", message, subject);
    // Chosen before the post is made, so that making it again makes no second one.
    const id = random.getRandomU64().toString(16).padStart(16, "0");
    return step(toBytes(JSON.stringify({ id, text: post.text })), "publishing", { tag: "proceed", val: "idempotent" });
  },

  async continuePublish(account, post, state) {
    const made = decoded(state);
    await change(account, (known) => known.some(({ id }) => id === made.id) ? known : [...known, made]);
    const out = { id: made.id, url: null, role: "post", state: "public", publicAt: null, details: [] };
    return step(state, "published", { tag: "published", val: null }, [out]);
  },

  async cancelPublish(account, post, state) {
    const gone = decoded(state);
    await change(account, (known) => known.filter(({ id }) => id !== gone.id));
    return step(state, "cancelled", { tag: "cancelled" });
  },
};

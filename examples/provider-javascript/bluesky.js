// Bluesky by app password, as a provider in JavaScript: connect, profile, publish texts.
//
//     ./build.sh bluesky.wasm
//     social-channel providers inspect bluesky.wasm
//
// The key of a post is chosen in `beginPublish` and kept in the state, so that a step may be repeated: it is announced as
// `idempotent`. What a provider in JavaScript has to know is in docs/authors.md.

import client from "wasi:http/client@0.3.0";
import http from "wasi:http/types@0.3.0";
import clock from "wasi:clocks/system-clock@0.3.0";
import random from "wasi:random/random@0.3.0";

const HOST = "bsky.social";
const COLLECTION = "app.bsky.feed.post";
const LONGEST_TEXT = 300;
const LONGEST_ANSWER = 1 << 20;
const ALPHABET = "234567abcdefghijklmnopqrstuvwxyz";
// What was not sent, for certain.
const NOT_SENT = ["connection-refused", "destination-unavailable", "DNS-error"];

const error = (kind, message, more = {}) =>
  ({ kind, message, remedy: null, code: null, field: null, retryAfter: null, traceId: null, details: [], ...more });
const unsupported = (message) => error("unsupported", message);

const toBytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (it) => it.charCodeAt(0));
const toText = (bytes) => decodeURIComponent(escape(Array.from(bytes, (it) => String.fromCharCode(it)).join("")));

const field = (name, label, kind, more = {}) => ({
  name, label, help: null, kind, choices: [], required: true, defaultValue: null, limits: [], appliesTo: [], details: [], ...more,
});

const { stringify } = JSON;

function parsed(text) {
  try {
    const value = JSON.parse(text());
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}

// One request; its answer as JSON. `posts`: where the answer is lost, a post may have come of it.
async function call(name, { query = "", token = null, body = null, posts = false } = {}) {
  const headers = [["accept", toBytes("application/json")]];
  if (token !== null) headers.push(["authorization", toBytes(`Bearer ${token}`)]);
  const data = body === null ? null : toBytes(stringify(body));
  if (data !== null) {
    headers.push(["content-type", toBytes("application/json")], ["content-length", toBytes(String(data.length))]);
  }
  const contents = data === null ? null : wit.Stream(wit.Stream.U8);
  // Without a body that ends, a request never does.
  const trailers = wit.Future.from({ tag: "ok", val: null }, wit.Future.RESULT_OPTION_OTHER_ERROR_CODE);
  const [request] = http.Request.new(http.Fields.fromList(headers), contents?.readable ?? null, trailers.readable, null);
  request.setMethod({ tag: query ? "get" : "post" });
  request.setScheme({ tag: "HTTPS" });
  request.setAuthority(HOST);
  request.setPathWithQuery(`/xrpc/${name}${query}`);
  const writing = contents === null ? null : contents.writable.writeAll(data).finally(() => contents.writable.drop());
  // Everything that was begun is awaited, or the call ends as a fault.
  const [sent] = await Promise.allSettled([client.send(request), writing, trailers.completion]);
  if (sent.status === "rejected") {
    const maybe = posts && !NOT_SENT.includes(sent.reason?.tag);
    throw error(maybe ? "outcome-unknown" : "unavailable", "Bluesky could not be reached.");
  }
  const response = sent.value;
  const status = response.getStatusCode();
  const pause = response.getHeaders().get("retry-after")[0];
  const bytes = await read(response);
  const answer = parsed(() => toText(bytes));
  if (status >= 200 && status < 300 && answer !== null) return answer;
  throw refusal(status, answer ?? {}, pause, posts);
}

async function read(response) {
  const done = wit.Future.from({ tag: "ok", val: null }, wit.Future.RESULT_VOID_ERROR_CODE);
  const [body, end] = http.Response.consumeBody(response, done.readable);
  const bytes = [];
  for await (const chunk of body) {
    bytes.push(...chunk);
    if (bytes.length > LONGEST_ANSWER) break;
  }
  end.drop();
  await done.completion.catch(() => null);
  return bytes;
}

// What the caller does next, by the status and the name of the error.
function refusal(status, answer, pause, posts) {
  const name = typeof answer.error === "string" ? answer.error : "";
  const code = name || null;
  if (status === 429) {
    const seconds = pause === undefined ? NaN : Number(toText(pause));
    const retryAfter = Number.isInteger(seconds) && seconds >= 0 ? BigInt(seconds) * 1000n : null;
    return error("rate-limited", "Bluesky wants a pause.", { code, retryAfter });
  }
  if (name === "ExpiredToken") return error("credentials-expired", "The session has expired.", { code });
  if (name === "AuthenticationRequired") {
    const remedy = "Make an app password in Bluesky's settings, and connect with it.";
    return error("authorization-denied", "Bluesky does not know this handle with this app password.", { code, remedy });
  }
  if (status === 401 || name === "InvalidToken") {
    return error("unauthorized", "The session has ended.", { code, remedy: "Connect the account again." });
  }
  if (status >= 500 || status < 300) {
    // Of a success that cannot be read a post may have come.
    return error(posts && status < 300 ? "outcome-unknown" : "unavailable", "Bluesky is out of order.", { code });
  }
  return error("rejected", `Bluesky refused it: ${String(answer.message ?? status).slice(0, 200)}`, { code });
}

const isText = (value) => typeof value === "string";

function sessionOf(account) {
  const session = parsed(() => toText(account.credentials));
  if (session !== null && ["did", "handle", "access", "refresh"].every((name) => isText(session[name]))) return session;
  throw error("unauthorized", "The credentials cannot be read.", { remedy: "Connect the account again." });
}

function connection({ did, handle, accessJwt: access, refreshJwt: refresh }) {
  if (![did, handle, access, refresh].every(isText)) throw error("unavailable", "Bluesky's answer has another form.");
  const account = { id: did, credentials: toBytes(stringify({ did, handle, access, refresh })), scopes: [] };
  return {
    account, displayName: handle, username: handle, avatarUrl: null, kind: "person", parentId: null, grant: null,
    expiresAt: null, refreshExpiresAt: null, missingScopes: [], details: [],
  };
}

const step = (state, phase, next, posts = []) => ({
  state: toBytes(stringify(state)), reference: null, phase, bytesSent: 0n, bytesTotal: 0n,
  publication: { posts, findings: [], details: [] }, next, details: [],
});

function stateOf(bytes) {
  const state = parsed(() => toText(bytes));
  if (state !== null && isText(state.key) && isText(state.at)) return { key: state.key, at: state.at };
  throw unsupported("This publish was begun by another version of the provider.");
}

function findings(post, media) {
  const length = [...(post.text ?? "")].length;
  const wrong = [
    ["kind", post.kind !== "text", "Only texts can be posted."],
    ["text", length === 0 || length > LONGEST_TEXT, `A text has 1 to ${LONGEST_TEXT} characters.`],
    ["media", media.length > 0, "Texts take no media."],
    ["title", post.title !== null, "Texts have no title."],
    ["visibility", post.visibility !== null, "Everybody sees every text."],
    ["parts", post.parts.length > 0, "Threads are not supported."],
    ...post.options.map(({ name }) => [name, true, "There is no such option."]),
  ];
  return wrong.filter(([, is]) => is).map(([subject, , message]) =>
    ({ severity: "error", subject, message, remedy: null, code: null, details: [] }));
}

export const channel = {
  describe: () => ({
    id: "bluesky-javascript", name: "Bluesky (JavaScript)", version: "0.1.0", abilities: ["profile", "publish"], settings: [],
    connectInputs: [
      field("handle", "Handle", "text", { help: "For example alice.bsky.social." }),
      field("app-password", "App password", "secret", { help: "Made in Bluesky's settings, below Privacy and security." }),
    ],
    scopes: [], origins: [`https://${HOST}`], details: [],
  }),

  async beginConnect(request) {
    const inputs = new Map(request.inputs);
    const identifier = (inputs.get("handle") ?? "").replace(/^@+/, "");
    const password = inputs.get("app-password") ?? "";
    if (!identifier || !password) throw error("invalid-request", "Handle and app password are needed.");
    const answer = await call("com.atproto.server.createSession", { body: { identifier, password } });
    return { tag: "connected", val: [connection(answer)] };
  },

  async completeConnect() {
    throw unsupported("Connecting needs no browser.");
  },

  async refreshCredentials(account) {
    const token = sessionOf(account).refresh;
    try {
      return connection(await call("com.atproto.server.refreshSession", { token }));
    } catch (failure) {
      if (failure.kind === "credentials-expired") failure.kind = "unauthorized";
      throw failure;
    }
  },

  async disconnect(account) {
    await call("com.atproto.server.deleteSession", { token: sessionOf(account).refresh });
  },

  async getProfile(account) {
    const session = sessionOf(account);
    const answer = await call("app.bsky.actor.getProfile", { query: `?actor=${session.did}`, token: session.access });
    const handle = isText(answer.handle) ? answer.handle : session.handle;
    const maybe = (value) => isText(value) ? value : null;
    return {
      id: session.did, username: handle, displayName: answer.displayName || handle, bio: maybe(answer.description),
      url: `https://bsky.app/profile/${handle}`, avatarUrl: maybe(answer.avatar), verified: null, details: [],
    };
  },

  async getStats() {
    throw unsupported("Numbers are not supported.");
  },

  async listPosts() {
    throw unsupported("Lists are not supported.");
  },

  async getPosts() {
    throw unsupported("Lists are not supported.");
  },

  async getPublishForm(account) {
    const limits = [{ minimum: 1, maximum: LONGEST_TEXT, unit: "code-points", linkLength: null }];
    const kind = { name: "text", label: "Text", minMedia: 0, maxMedia: 0, media: [], maxParts: 0, details: [] };
    return {
      accountName: sessionOf(account).handle, accountAvatarUrl: null, kinds: [kind],
      fields: [field("text", "Text", "multiline", { limits })], rules: [], quotas: [], blocked: null, details: [],
    };
  },

  async checkPost(account, post, media) {
    return findings(post, media);
  },

  async beginPublish(account, post, media) {
    for (const { message, subject } of findings(post, media)) throw error("invalid-request", message, { field: subject });
    const key = "3" + Array.from(random.getRandomBytes(12n), (byte) => ALPHABET[byte % 32]).join("");
    const at = new Date(Number(clock.now().seconds) * 1000).toISOString();
    return step({ key, at }, "publishing", { tag: "proceed", val: "idempotent" });
  },

  async continuePublish(account, post, bytes) {
    const state = stateOf(bytes);
    const { did, access } = sessionOf(account);
    const record = { $type: COLLECTION, text: post.text, createdAt: state.at };
    const body = { repo: did, collection: COLLECTION, rkey: state.key, record };
    await call("com.atproto.repo.putRecord", { token: access, body, posts: true });
    const url = `https://bsky.app/profile/${did}/post/${state.key}`;
    const out = { id: `at://${did}/${COLLECTION}/${state.key}`, url, role: "post", state: "public", publicAt: null, details: [] };
    return step(state, "published", { tag: "published", val: null }, [out]);
  },

  async cancelPublish(account, post, bytes, resume) {
    const state = stateOf(bytes);
    if (resume.interrupted) {
      // It may be out: deleting what is not there is no error.
      const { did, access } = sessionOf(account);
      const body = { repo: did, collection: COLLECTION, rkey: state.key };
      await call("com.atproto.repo.deleteRecord", { token: access, body });
    }
    return step(state, "cancelled", { tag: "cancelled" });
  },
};

// Node: `fetch`, as most would write it, or a small client on node:http with kept connections.
//
//   node peer.mjs fetch|client ORIGIN TOKEN profile N | at-once N | upload FILE

import { openAsBlob, createReadStream, readFileSync, statSync } from "node:fs";
import http from "node:http";
import { pipeline } from "node:stream/promises";

const AT_ONCE = 64;
const CHUNK = 64_000_000;
const FIELDS =
  "open_id,display_name,avatar_url,avatar_large_url,bio_description,profile_deep_link,is_verified,username";
const [way, origin, token, work, value] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });

// One request of the small client; resolves with status and text.
function send(url, { method = "GET", headers = {}, body = null } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent, method, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    if (body === null || typeof body === "string") request.end(body ?? undefined);
    else pipeline(body, request).catch(reject);
  });
}

const authorization = `Bearer ${token}`;

async function profile() {
  const url = `${origin}/v2/user/info/?fields=${FIELDS}`;
  const answer = way === "fetch"
    ? await (await fetch(url, { headers: { authorization } })).json()
    : JSON.parse((await send(url, { headers: { authorization } })).text);
  if (!answer.data?.user?.display_name) throw new Error(JSON.stringify(answer));
  return answer.data.user;
}

async function upload(file) {
  const size = statSync(file).size;
  const chunk = Math.min(size, CHUNK);
  const count = Math.floor(size / chunk);
  const init = await fetch(`${origin}/v2/post/publish/video/init/`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json; charset=UTF-8" },
    body: JSON.stringify({
      post_info: {
        privacy_level: "PUBLIC_TO_EVERYONE", title: "a peer", brand_content_toggle: false, brand_organic_toggle: false,
      },
      source_info: { source: "FILE_UPLOAD", video_size: size, chunk_size: chunk, total_chunk_count: count },
    }),
  });
  const url = new URL((await init.json()).data.upload_url);
  ({ protocol: url.protocol, host: url.host } = new URL(origin));
  const blob = await openAsBlob(file);
  const begun = performance.now();
  for (let index = 0; index < count; index++) {
    const first = index * chunk;
    const end = index + 1 === count ? size : first + chunk;
    const headers = {
      "content-type": "video/mp4", "content-length": String(end - first), "content-range": `bytes ${first}-${end - 1}/${size}`,
    };
    const { status } = way === "fetch"
      ? await fetch(url, { method: "PUT", headers, body: blob.slice(first, end) })
      : await send(url, { method: "PUT", headers, body: createReadStream(file, { start: first, end: end - 1 }) });
    if (status !== 201 && status !== 206) throw new Error(`a chunk was refused: ${status}`);
  }
  return begun;
}

// KiB, of this process.
const resident = (name) => Number(readFileSync("/proc/self/status", "utf8").match(new RegExp(`${name}:\\s+(\\d+)`))[1]);
const piece = (begun, idle) =>
  console.log(JSON.stringify({ seconds: (performance.now() - begun) / 1e3, peak_kib: Math.max(resident("VmHWM") - idle, 0) }));

await profile();
const idle = resident("VmRSS");
if (work === "profile") {
  const micros = [];
  for (let call = 0; call < Number(value); call++) {
    const begun = performance.now();
    await profile();
    micros.push((performance.now() - begun) * 1e3);
  }
  console.log(JSON.stringify({ micros: micros.slice(Math.floor(micros.length / 10)) }));
} else if (work === "at-once") {
  let left = Number(value);
  const begun = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) await profile();
  }));
  piece(begun, idle);
} else {
  piece(await upload(value), idle);
}
agent.destroy();

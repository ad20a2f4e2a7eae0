// A second network beside TikTok: Bluesky's own servers and sign-in page. `cargo xtask test bluesky` installs the servers;
// not one of the suites that run without being named.

import { after, before, test } from "node:test";
import { strict as assert } from "node:assert";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { deflateSync, crc32 } from "node:zlib";
import { launch } from "../stage.mjs";
import { A_TEST, A_WAIT } from "./support.mjs";

const target = fileURLToPath(new URL("../../../target/", import.meta.url));
const cli = process.env.SOCIAL_CHANNEL ?? join(target, "debug/social-channel");
const run = promisify(execFile);

let network, service, folder, origin, browser;
const children = [];

/** Starts a program; the value that `found` makes of one of its lines is awaited. */
async function start(program, args, found, stream = "stdout") {
  const child = spawn(program, args, { stdio: ["pipe", stream === "stdout" ? "pipe" : "ignore", stream === "stderr" ? "pipe" : "inherit"] });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
    createInterface({ input: child[stream] }).on("line", (line) => {
      const value = found(line);
      if (value) resolve({ child, value });
    });
  });
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "social-channel-bluesky-"));
  await writeFile(join(folder, "policy.toml"), "allow_private_networks = true\n");
  ({ value: network } = process.env.BLUESKY
    ? { value: JSON.parse(process.env.BLUESKY) }
    : await start(join(target, "debug/bluesky-server"), [], (line) => JSON.parse(line)));
  const global = ["--data", folder, "--policy", join(folder, "policy.toml")];
  const component = (name) => join(target, `wasm32-wasip2/guest/${name}.wasm`);
  await run(cli, [...global, "providers", "add", component("plugin_tiktok")]);
  await run(cli, [...global, "providers", "add", component("provider_bluesky")]);
  const settings = ["--set", `service=${network.pds}`, "--set", `directory=${network.plc}`];
  await run(cli, [...global, "apps", "add", "bluesky", "--provider", "bluesky", "--grant", network.pds, "--grant", network.plc, ...settings]);
  ({ child: service, value: origin } = await start(cli, [...global, "serve", "--listen", "127.0.0.1:0"], (line) => /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0], "stderr"));
  browser = await launch();
});

after(async () => {
  await browser?.close();
  for (const child of children) {
    if (child.exitCode !== null) continue;
    const ended = once(child, "exit");
    // The network ends with its input, the service with the signal.
    if (child === service) child.kill("SIGTERM");
    else child.stdin.end();
    await ended;
  }
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** A test with a fresh browser, whose page must not have violated its policy. */
function scene(name, act) {
  test(name, A_TEST, async () => {
    const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1200, height: 900 } });
    context.setDefaultTimeout(A_WAIT);
    const page = await context.newPage();
    const broken = [];
    // Of our pages alone: what the network's page does is its own.
    const isOurs = () => page.url().startsWith(origin);
    page.on("console", (message) => { if (isOurs() && message.text().includes("Content Security Policy")) broken.push(message.text()); });
    page.on("pageerror", (error) => { if (isOurs()) broken.push(String(error)); });
    try {
      await act({ page, context });
      assert.deepEqual(broken, []);
    } catch (error) {
      for (const one of context.pages()) {
        const seen = await one.locator("body").innerText({ timeout: 2_000 }).catch(() => "no page");
        error.message += `\nat ${one.url()}:\n${seen.slice(0, 1_500)}`;
      }
      throw error;
    } finally {
      await context.close();
    }
  });
}

/** What the account's own server has, the oldest first. */
async function records({ did }) {
  const answer = await fetch(`${network.pds}/xrpc/com.atproto.repo.listRecords?repo=${did}&collection=app.bsky.feed.post`);
  return (await answer.json()).records.map((record) => record.value).reverse();
}

function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const ends = [Buffer.alloc(4), Buffer.alloc(4)];
    ends[0].writeUInt32BE(data.length);
    ends[1].writeUInt32BE(crc32(body));
    return Buffer.concat([ends[0], body, ends[1]]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc((1 + width * 3) * height));
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}

const [ada, bob] = [0, 1].map((at) => new Proxy({}, { get: (_, name) => network.accounts[at][name] }));

scene("an account is connected at the network's own sign-in page", async ({ page }) => {
  await page.goto(`${origin}/channels/add/bluesky`);
  await page.getByLabel("Handle").fill(ada.handle);
  await page.getByRole("button", { name: "+ Profile" }).click();
  await page.waitForURL((url) => url.href.startsWith(network.pds));
  // The handle came along.
  await page.locator("input[type=password]").fill(ada.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Authorize" }).click();
  await page.waitForURL((url) => url.href.startsWith(origin));
  await page.goto(`${origin}/channels`);
  await page.getByRole("link", { name: ada.handle, exact: true }).click();
  await page.getByText("Posts", { exact: true }).first().waitFor();
  // Nothing was registered, so nothing is reviewed.
  await page.goto(`${origin}/settings/apps/bluesky/guide`);
  await page.getByText("Connect with an app password").first().waitFor();
  assert.equal(await page.getByText("Review kit").count(), 0);
});

scene("an app password connects without a browser, and a wrong one is told", async ({ page }) => {
  await page.goto(`${origin}/channels/add/bluesky`);
  await page.getByLabel("Handle").fill(`@${bob.handle}`);
  assert.equal(await page.getByLabel("App password").getAttribute("type"), "password");
  await page.getByText("Connect without Bluesky's page").click();
  await page.getByLabel("App password").fill("abcd-abcd-abcd-abcd");
  await page.getByRole("button", { name: "+ Profile" }).click();
  await page.getByText("Bluesky does not know this handle and app password.").first().waitFor();
  // What was entered is still there, but the secret.
  assert.equal(await page.getByLabel("Handle").inputValue(), `@${bob.handle}`);
  assert.equal(await page.getByLabel("App password").inputValue(), "");
  if (!(await page.getByLabel("App password").isVisible())) await page.getByText("Connect without Bluesky's page").click();
  await page.getByLabel("App password").fill(bob.app_password);
  await page.getByRole("button", { name: "+ Profile" }).click();
  await page.waitForURL(/\/channels\?connected=/);
  await page.getByText(bob.handle).first().waitFor();
});

/** The publish page of a channel that an earlier scene has connected. */
async function publishPage(page, account, kind) {
  const channels = await (await fetch(`${origin}/api/v1/channels`)).json();
  const channel = channels.find((one) => one.account_id === account.did);
  await page.goto(`${origin}/channels/${channel.id}/publish?kind=${kind}`);
}

/** Presses Publish, and waits until the job is out. */
async function publish(page) {
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  await page.getByRole("link", { name: "Open" }).or(page.locator('a[href^="https://bsky.app/"]')).first().waitFor();
}

scene("a thread is written, counted in what readers see, and kept over a reload", async ({ page }) => {
  await publishPage(page, bob, "text");
  const text = page.getByLabel("Text (required)");
  await text.fill("👨‍👩‍👧‍👦".repeat(200));
  const counters = page.locator("[data-counter=f-text]");
  assert.equal(await counters.nth(0).innerText(), "200 of 300 characters");
  // 25 bytes each: more than fit.
  assert.equal(await counters.nth(1).innerText(), "5000 of 3000 bytes");
  assert.ok(await page.getByRole("button", { name: "Publish", exact: true }).isDisabled());
  await text.fill("Soup of the day #soup");
  assert.ok(await counters.nth(1).isHidden());
  await page.getByText("More posts (a thread)").click();
  await page.getByLabel("Post 2").fill("It is leek");
  await page.getByLabel("Post 3").fill("and potato");
  await page.getByLabel("Languages").fill("en");
  await page.reload();
  assert.equal(await page.getByLabel("Post 2").inputValue(), "It is leek");
  assert.equal(await page.getByLabel("Post 3").inputValue(), "and potato");
  assert.equal(await page.getByLabel("Post 4").inputValue(), "");
  await publish(page);
  const [one, two, three] = await records(bob);
  assert.deepEqual([one.text, two.text, three.text], ["Soup of the day #soup", "It is leek", "and potato"]);
  assert.deepEqual(one.langs, ["en"]);
  assert.equal(one.facets[0].features[0].tag, "soup");
  assert.deepEqual(three.reply.root, two.reply.parent);
  await page.getByText("and potato").waitFor();
});

scene("pictures are described, and a link has its own picture", async ({ page }) => {
  await publishPage(page, bob, "images");
  const files = ["bowl.png", "spoon.png"].map((name) => ({ name, mimeType: "image/png", buffer: png(30, 20) }));
  await page.locator("#file").setInputFiles(files);
  await page.getByLabel("Description of bowl.png").fill("A bowl of soup");
  await page.getByLabel("Description of spoon.png").fill("A spoon");
  await page.reload();
  assert.equal(await page.getByLabel("Description of bowl.png").inputValue(), "A bowl of soup");
  await publish(page);
  const described = (await records(bob)).at(-1).embed.images.map((image) => image.alt);
  assert.deepEqual(described, ["A bowl of soup", "A spoon"]);

  await publishPage(page, bob, "link");
  await page.getByLabel("Link (required)", { exact: true }).fill("https://example.com/soup");
  await page.getByLabel("Title of the link (required)").fill("Soup");
  await page.getByLabel("Picture of the link").setInputFiles({ name: "soup.png", mimeType: "image/png", buffer: png(60, 40) });
  await page.getByText("soup.png was uploaded.").waitFor();
  await publish(page);
  const { external } = (await records(bob)).at(-1).embed;
  assert.equal(external.uri, "https://example.com/soup");
  assert.equal(external.thumb.mimeType, "image/png");
});

scene("what is too long or missing is told beside its field", async ({ page }) => {
  await publishPage(page, bob, "images");
  await page.getByRole("button", { name: "Check without posting" }).click();
  await page.getByText(/needs 1 to 4 files or links, and there are 0/).waitFor();
  await publishPage(page, bob, "text");
  await page.getByLabel("Text (required)").fill("Hello @nobody.test");
  await page.getByRole("button", { name: "Check without posting" }).click();
  await page.getByText("Nobody is called @nobody.test: it stays plain text.").waitFor();
});

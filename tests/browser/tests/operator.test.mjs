// Everything an operator does, with only a browser: from an empty service to a published video.

import { strict as assert } from "node:assert";
import { choose, connect, enterKeys, openBrowser, publishPage, scene, scheduled } from "./support.mjs";

openBrowser();

scene("from an empty service to a published video", ["--empty"], async (at) => {
  const { set, page } = at;
  await page.goto(set.origin);
  // What comes with the service is installed where the Overview offers it, and the next step follows.
  const start = page.getByRole("region", { name: "Get started" });
  await start.getByText("0 of 4").waitFor();
  await start.getByRole("button", { name: "Install TikTok" }).click();
  await start.getByText("1 of 4").waitFor();
  assert.equal(await start.getByRole("button").count(), 0);
  await start.getByRole("link", { name: "Enter the keys of your app" }).click();
  await page.waitForURL(/\/settings$/);

  await enterKeys(at);
  // The secret is never shown again, and saving ran the checks.
  assert.ok(!(await page.content()).includes("simsecret-desktop-0001"));
  await page.getByText(/^\d+ passed$/).click();
  await page.getByText("TikTok knows the client key with this secret.").waitFor();
  assert.equal(await page.getByLabel("Callback URL").inputValue(), `${set.origin}/callback/tiktok-live`);
  // Sandbox and live keep separate keys.
  await page.getByRole("link", { name: "Sandbox" }).click();
  assert.equal(await page.getByLabel("App ID").inputValue(), "");

  await connect(at);
  const connected = page.getByRole("region", { name: "Connected channels" });
  await connected.getByRole("heading", { name: "Demo Kitchen" }).waitFor();
  assert.equal(await connected.locator(".badge").count(), 0, "nothing is wrong with it");
  assert.equal(await connected.locator(".avatar").count(), 1);

  await page.getByRole("link", { name: "Demo Kitchen", exact: true }).click();
  await page.getByText("soup every day").waitFor();
  await page.getByText("Connected", { exact: true }).first().waitFor();
  await page.getByText("5 permissions granted to Demo Kitchen").click();
  await page.getByText("video.publish").waitFor();
  await page.getByText("@demo.kitchen").waitFor();
  const numbers = page.getByRole("region", { name: "Numbers" });
  await numbers.getByText("Followers", { exact: true }).first().waitFor();
  const posts = page.getByRole("region", { name: "Posts", exact: true });
  assert.equal(await posts.locator("li.post").count(), 12);
  const first = await posts.locator("li.post").first().textContent();
  await posts.getByRole("link", { name: "Older posts" }).click();
  await page.waitForURL(/cursor=/);
  assert.notEqual(await posts.locator("li.post").first().textContent(), first);

  await page.getByRole("link", { name: "Publish" }).click();
  await choose(at);
  await page.getByLabel("Caption").fill("Tomato soup #soup");
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.waitForURL(/\/jobs\//);
  // Live, without a reload.
  await page.locator(".standing").getByText("Published").first().waitFor();
  await page.getByText("Consent", { exact: true }).click();
  await page.getByText("By posting, you agree to TikTok's Music Usage Confirmation").waitFor();
  // As the form named it.
  await page.getByRole("region", { name: "About" }).getByText("Everyone", { exact: true }).waitFor();
  const [job] = await set.get("/api/v1/jobs");
  assert.equal(job.status, "published");
  assert.ok(job.consent.words.includes("Music Usage Confirmation"));
  assert.equal(job.consent.by, "operator");
  assert.equal((await set.world()).publishes.length, 1);

  // The job keeps the name of its channel.
  await page.goto(`${set.origin}/channels/${job.channel}`);
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.getByText("The permission was revoked at the network.").waitFor();
  await page.goto(`${set.origin}/jobs`);
  await page.getByRole("listitem").filter({ hasText: "Tomato soup" }).getByText("Demo Kitchen").waitFor();
});

scene("a component that a server in front refuses is said so, and installs without it", ["--empty"], async (at) => {
  const { set, page } = at;
  await page.goto(`${set.origin}/settings/providers`);
  await page.getByText("None is installed.").waitFor();
  await page.route("**/api/v1/providers", (route) => route.fulfill({ status: 413, contentType: "text/html", body: "<h1>413</h1>" }));
  await page.getByLabel("Component (.wasm)").setInputFiles(set.component);
  await page.getByRole("button", { name: "Install", exact: true }).click();
  await page.getByRole("status").getByText(/^A server in front of this service takes no file of .* \(413\)\. Its operator can raise the limit: in nginx “client_max_body_size”\.$/).waitFor();
  await page.unroute("**/api/v1/providers");
  await page.getByRole("button", { name: "Install", exact: true }).click();
  await page.getByText("Installed", { exact: true }).waitFor();
});

/** The publish page, filled in for a time to come. */
async function schedule(at, { page } = at) {
  await choose(at);
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByLabel("Later").check();
  const next = `${new Date().getFullYear() + 1}-05-01T10:30`;
  await page.getByLabel("Day and time").fill(next);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  await page.getByText("Nothing: it starts at its scheduled time.").waitFor();
  return next;
}

const seconds = (local) => new Date(local).getTime() / 1000;

scene("a scheduled post waits, can be changed, moved to another time, and be cancelled", [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const next = await schedule(at);
  assert.equal((await set.get("/api/v1/jobs"))[0].publish_at, seconds(next));
  await page.getByRole("link", { name: "Edit post" }).click();
  await page.getByLabel("Caption").fill("Another text");
  await page.getByRole("button", { name: "Agree and save" }).click();
  await page.waitForURL(/\/jobs\/[^/]+$/);
  await page.getByRole("heading", { name: "Another text" }).waitFor();
  // The time is shown as it was chosen, in the person's time zone.
  const time = page.getByLabel("Day and time");
  assert.equal(await time.inputValue(), next);
  await time.fill("2020-01-01T10:00");
  await page.getByRole("button", { name: "Change time" }).click();
  await page.getByText(/The time to publish at, .*, is over/).waitFor();
  assert.equal((await set.get("/api/v1/jobs"))[0].publish_at, seconds(next));
  const later = next.replace("-05-01", "-05-02");
  await page.getByLabel("Day and time").fill(later);
  await page.getByRole("button", { name: "Change time" }).click();
  await page.getByRole("region", { name: "How it stands" }).getByText(/Scheduled for.*2 May/).waitFor();
  assert.equal((await set.get("/api/v1/jobs"))[0].publish_at, seconds(later));
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator(".standing").getByText("Cancelled").first().waitFor();
  assert.equal((await set.world()).publishes.length, 0);
});

scene("the lists of jobs say what is scheduled, and follow what happens", [], async (at) => {
  const { set, page, context } = at;
  const channel = await publishPage(at);
  await page.getByLabel("Caption").fill("Soup for May");
  await schedule(at);
  const list = await context.newPage();
  await list.goto(`${set.origin}/jobs`);
  const tabs = list.getByRole("navigation", { name: "Show" });
  assert.deepEqual(await tabs.getByRole("link").allTextContents(), ["All", "Needs attention", "In progress", "Scheduled", "Published", "Failed", "Cancelled"]);
  await tabs.getByRole("link", { name: "In progress" }).click();
  await list.getByText("Nothing is being published.").waitFor();
  await tabs.getByRole("link", { name: "Scheduled" }).click();
  const row = list.getByRole("listitem").filter({ hasText: "Soup for May" });
  await row.getByText(/scheduled for 1 May/).waitFor();
  // The overview has it too.
  const overview = await context.newPage();
  await overview.goto(set.origin);
  await overview.getByRole("region", { name: "Next scheduled" }).getByText(/scheduled for 1 May/).waitFor();
  const latest = overview.getByRole("region", { name: "Latest jobs" });
  await latest.getByText("Scheduled", { exact: true }).waitFor();
  // Elsewhere somebody publishes it now: the lists say so without a reload.
  await page.getByRole("button", { name: "Post now" }).click();
  await page.locator(".standing").getByText("Published").first().waitFor();
  await list.getByText("Nothing is scheduled.").waitFor();
  await latest.getByText("Published", { exact: true }).waitFor();
  const [job] = await set.get("/api/v1/jobs");
  assert.equal(job.publish_at, null);
  assert.equal((await set.world()).publishes.length, 1);
  await tabs.getByRole("link", { name: "Published" }).click();
  await list.getByRole("link", { name: "Soup for May" }).waitFor();
  // A new one appears by itself.
  await page.goto(`${set.origin}/channels/${channel}/publish`);
  await page.getByLabel("Caption").fill("Bread");
  await choose(at);
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await list.getByRole("link", { name: "Bread" }).click();
  await list.getByRole("heading", { name: "Bread" }).waitFor();
});

scene("the days of a list are those of the person", [], async (at) => {
  const { set, page } = at;
  const channel = await publishPage(at);
  const year = new Date().getFullYear() + 1;
  for (const hour of ["09", "11"]) await scheduled(at, channel, `Soup at ${hour}`, Date.parse(`${year}-05-01T${hour}:00:00Z`) / 1000);
  await page.goto(`${set.origin}/jobs?show=scheduled`);
  await page.locator(".day").nth(1).waitFor();
  assert.deepEqual(await page.locator(".day").allInnerTexts(), ["1 May", "2 May"]);
  assert.deepEqual(await page.locator(".day + ul").allInnerTexts().then((all) => all.map((text) => /Soup at \d\d/.exec(text)[0])), ["Soup at 09", "Soup at 11"]);
}, { timezoneId: "Pacific/Kiritimati" });

scene("without scripts a scheduled post is moved and posted now", [], async (at) => {
  const { set, page, context } = at;
  await publishPage(at);
  await schedule(at);
  const plain = await context.browser().newContext({ javaScriptEnabled: false });
  try {
    const other = await plain.newPage();
    await other.goto(page.url());
    await other.getByText("In UTC.").waitFor();
    const time = `${new Date().getFullYear() + 1}-06-01T08:00`;
    await other.getByLabel("Day and time").fill(time);
    await other.getByRole("button", { name: "Change time" }).click();
    await other.getByText(/Scheduled for .*-06-01 08:00 UTC/).waitFor();
    assert.equal((await set.get("/api/v1/jobs"))[0].publish_at, seconds(`${time}Z`));
    await other.getByRole("button", { name: "Post now" }).click();
    await page.locator(".standing").getByText("Published").first().waitFor();
  } finally {
    await plain.close();
  }
});

scene("a channel is disconnected, and the network is told", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  const channel = await connect(at);
  await page.goto(`${set.origin}/channels/${channel}`);
  const asked = page.waitForEvent("dialog");
  await page.getByRole("button", { name: "Disconnect" }).click();
  assert.equal((await asked).message(), "Disconnect this channel? Its open jobs are cancelled, and its access is deleted. Jobs, consents and numbers are kept for when it is connected again.");
  await page.getByText("The permission was revoked at the network.").waitFor();
  assert.deepEqual(await set.get("/api/v1/channels"), []);
});

scene("keys of the API are shown once and can be revoked", [], async ({ set, page }) => {
  await page.goto(`${set.origin}/settings/keys`);
  await page.getByLabel("Name").fill("shop");
  await page.getByRole("button", { name: "Create key" }).click();
  const key = await page.locator(".note .copy code").textContent();
  const ask = () => fetch(`${set.origin}/api/v1/channels`, { headers: { authorization: `Bearer ${key}` } });
  assert.equal((await ask()).status, 200);
  await page.goto(`${set.origin}/settings/keys`);
  assert.ok(!(await page.content()).includes(key));
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("No keys yet.").waitFor();
  assert.equal((await ask()).status, 401);
});

scene("the guide has steps, checks, a review kit, and serves a file", [], async (at) => {
  const { set, page } = at;
  await enterKeys(at);
  await page.getByRole("link", { name: "Setup guide, checks and review kit" }).click();
  await page.getByRole("heading", { name: "Add products and scopes" }).waitFor();
  await page.getByRole("heading", { name: "Ready for the demo video" }).waitFor();
  await page.getByText("0 of").waitFor();
  // One set of texts: the guide's.
  await page.getByText("Explain each scope").click();
  await page.getByText("To post the video or the photos that the person chose").first().waitFor();
  assert.equal(await page.getByText("What to write about each permission").count(), 0);
  await page.getByLabel("Name of the file").fill("proof-1.txt");
  await page.getByLabel("Content").fill("proof=1");
  await page.getByRole("button", { name: "Serve this file" }).click();
  await page.getByText("/proof-1.txt").first().waitFor();
  assert.equal(await (await fetch(`${set.origin}/proof-1.txt`)).text(), "proof=1");
  await connect(at);
  await page.goto(`${set.origin}/settings/apps/tiktok-live/guide#review`);
  // What was done in the app is marked.
  assert.ok((await page.locator("#review ~ .card .steps li.done").count()) >= 4);
});

scene("the guide shows the record of a domain, and what the name servers say of it", [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  await page.getByRole("link", { name: "Setup guide, checks and review kit" }).click();
  const domains = page.getByRole("region", { name: "Domains that are yours" });
  const add = async (domain, value) => {
    await domains.getByLabel("Domain").fill(domain);
    await domains.getByLabel("Value of the TXT record").fill(value);
    await domains.getByRole("button", { name: "Check this record" }).click();
  };
  await add("https://northwind.app/", "site-verification=old");
  await domains.getByText("northwind.app has a TXT record of this kind with another value: site-verification=4f1a").waitFor();
  await domains.getByRole("button", { name: "Forget the record of northwind.app" }).click();
  await add("northwind.app", "site-verification=4f1a");
  await domains.getByText("The TXT record of northwind.app is there.").waitFor();
  assert.deepEqual(await domains.locator(".copies code").allTextContents(), ["northwind.app", "TXT", "site-verification=4f1a"]);
  await add("gone.northwind.app", "site-verification=4f1a");
  await domains.getByText("There is no domain gone.northwind.app.").waitFor();
  assert.equal((await set.get("/api/v1/apps/tiktok-live")).listing.domain_records.length, 2);
});

scene("with a password nobody comes in without it, and the right one still opens after many wrong ones", ["--password", "correct horse"], async ({ set, page }) => {
  await page.goto(`${set.origin}/channels`);
  await page.waitForURL(/sign-in/);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This is not the password.").waitFor();
  await page.getByLabel("Password").fill("correct horse");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(/\/channels$/);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/sign-in/);
  const attempt = async (password) => {
    await page.getByLabel("Password").fill(password);
    const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
    await page.getByRole("button", { name: "Sign in" }).click();
    return (await answered).status();
  };
  // More than may come at once from one address: the further ones wait, and so does the right one, but it opens.
  for (let times = 0; times < 7; times += 1) {
    assert.equal(await attempt("wrong"), 403);
    await page.getByText("This is not the password.").waitFor();
  }
  assert.equal(await attempt("correct horse"), 303);
  await page.waitForURL((url) => !url.pathname.includes("sign-in"));
});

scene("addresses of the portal are kept with the app", [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  await page.getByText("Website and legal links").click();
  await page.getByLabel("Privacy policy").fill("https://example.com/privacy");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor();
  assert.equal((await set.get("/api/v1/apps/tiktok-live")).listing.privacy_url, "https://example.com/privacy");
});

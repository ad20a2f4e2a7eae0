// What the pages say: at once, once, and in words for people.

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { choose, connect, enterKeys, openBrowser, photo, publishPage, scene, sessionEnds, signIn } from "./support.mjs";

openBrowser();

const file = (name, mimeType) => ({ name, mimeType, buffer: Buffer.from("x") });

scene("files that a video post does not take are named at once, and what was chosen before stays", [], async (at) => {
  const { page, set } = at;
  await publishPage(at);
  await page.getByText("MP4, MOV, WebM · up to 4.0 GB").waitFor();
  await choose(at);
  await page.locator("#file").setInputFiles(file("notes.txt", "text/plain"));
  await page.getByText("Left out: notes.txt. This post takes MP4, MOV, WebM.").waitFor();
  await page.locator("#file").setInputFiles(file("photo.jpg", "image/jpeg"));
  await page.getByText("Left out: photo.jpg.").waitFor();
  assert.equal(await page.getByText("Left out: notes.txt.").count(), 0);
  assert.equal((await set.get("/api/v1/uploads")).length, 1, "nothing more was uploaded");
  assert.equal(await page.locator("#uploads li").count(), 1);
});

scene("of 37 photos those that do not fit are named at once", [], async (at) => {
  const { page, set } = at;
  await publishPage(at, { kind: "images" });
  assert.equal(await page.getByLabel(/alternative text|alt text/i).count(), 0, "TikTok takes none");
  const photos = Array.from({ length: 37 }, (_, index) => file(`photo-${index + 1}.jpg`, "image/jpeg"));
  await page.locator("#file").setInputFiles([file("notes.txt", "text/plain"), ...photos]);
  await page.getByText("Left out: photo-36.jpg, photo-37.jpg. At most 35 files can be posted together.").waitFor();
  await page.getByText("Left out: notes.txt. This post takes JPEG, WebP.").waitFor();
  await page.getByText("photo-35.jpg was uploaded.").waitFor();
  assert.equal((await set.get("/api/v1/uploads")).length, 35);
});

/** As a phone stores it that was held upright: the picture lies, and its EXIF data say how to turn it. */
function lying(photo) {
  const exif = Buffer.from("ffe1002245786966000049492a0008000000010012010300010000000600000000000000", "hex");
  return { ...photo, name: "phone.jpg", buffer: Buffer.concat([photo.buffer.subarray(0, 2), exif, photo.buffer.subarray(2)]) };
}

scene("pictures that do not fit are made fitting if the person wants it, and are seen before they are sent", [], async (at) => {
  const { page, set } = at;
  const channel = await publishPage(at, { kind: "images" });
  const { app } = await set.get(`/api/v1/channels/${channel}`);
  const content = async (id) => (await page.request.get(`${set.origin}/uploads/${id}/content?app=${app}`)).body();
  await page.locator("#file").setInputFiles([await photo(page, "olive", "png"), lying(await photo(page, "tomato"))]);
  await page.getByText("olive.png is of another format.").waitFor();
  await page.getByText("phone.jpg lies on its side").waitFor();
  assert.equal((await set.get("/api/v1/uploads")).length, 0, "nothing is sent by itself");

  const offer = (name) => page.locator("#left-out .note", { hasText: name });
  await offer("olive.png").getByRole("button", { name: "Make a JPEG" }).click();
  await page.getByText("olive.jpg was uploaded.").waitFor();
  await offer("phone.jpg").getByRole("button", { name: "Make a JPEG" }).click();
  await page.getByText("phone.jpg was uploaded.").waitFor();
  assert.equal(await page.locator("#left-out .note").count(), 0);
  const sizes = await page.locator("#preview-media img").evaluateAll((all) => all.map((one) => [one.naturalWidth, one.naturalHeight]));
  assert.deepEqual(sizes, [[720, 960], [960, 720]], "the second is turned upright");
  for (const upload of await set.get("/api/v1/uploads")) {
    const bytes = await content(upload.id);
    assert.equal(bytes.readUInt16BE(0), 0xffd8, "a JPEG");
    assert.ok(!bytes.includes("Exif"), "turned for good");
  }

  // As it is, for a person who knows better.
  await page.locator("#file").setInputFiles(lying(await photo(page, "navy")));
  await offer("phone.jpg").getByRole("button", { name: "Use it as it is" }).click();
  await page.locator("#uploads li").nth(2).getByText("Uploaded, not sent").waitFor();
  const kept = (await set.get("/api/v1/uploads")).map((upload) => upload.id);
  const whole = await Promise.all(kept.map(content));
  assert.equal(whole.filter((bytes) => bytes.includes("Exif")).length, 1);

  // More pixels than some networks take.
  await page.locator("#file").setInputFiles({ ...(await photo(page, "teal", "jpeg", [3000, 2000])), name: "large.jpg" });
  await page.getByText("large.jpg has 3000 × 2000 pixels, more than some networks take.").waitFor();
  assert.equal(await offer("large.jpg").getByRole("button", { name: "Use it as it is" }).count(), 1);
  await offer("large.jpg").getByRole("button", { name: "Make a JPEG" }).click();
  await page.getByText("large.jpg was uploaded.").waitFor();
  const large = page.locator("#preview-media img").last();
  assert.deepEqual(await large.evaluate((one) => [one.naturalWidth, one.naturalHeight]), [1620, 1080]);

  // What no browser can read stays out, with a sentence.
  await page.locator("#file").setInputFiles(file("broken.png", "image/png"));
  await offer("broken.png").getByRole("button", { name: "Make a JPEG" }).click();
  await page.getByText("broken.png cannot be used: This browser does not know its format.").waitFor();
});

scene("a picture becomes what a post takes, and as small as it must be", [], async (at) => {
  const { page } = at;
  await publishPage(at, { kind: "images" });
  const { buffer } = await photo(page, "olive", "png", [3000, 2000]);
  // The form of a network that takes no JPEG.
  const made = await page.evaluate(async (data) => {
    const { fit, obstacle } = await import("/assets/fit.js");
    const file = new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], "olive.png", { type: "image/png" });
    const sizes = [];
    for (const [types, largest] of [[["image/webp"], 0], [["image/webp", "image/jpeg"], 20_000], [["image/webp"], 5_000]]) {
      const one = await fit(file, types, largest);
      const { width } = await createImageBitmap(one);
      sizes.push({ name: one.name, type: one.type, width, fits: !largest || one.size <= largest });
    }
    return { sizes, none: await obstacle(file, ["video/mp4", "image/gif"], 0) };
  }, buffer.toString("base64"));
  assert.equal(made.none, null, "no offer where nothing can be made");
  assert.deepEqual(made.sizes[0], { name: "olive.webp", type: "image/webp", width: 1620, fits: true });
  assert.equal(made.sizes[1].name, "olive.jpg");
  for (const one of made.sizes) assert.ok(one.fits && one.width > 1, JSON.stringify(one));
});

/** What a person drags from a folder onto the page. */
async function drop(page, at, files) {
  const dragged = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, type, data } of files) transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
    return transfer;
  }, files.map(({ name, mimeType, buffer }) => ({ name, type: mimeType, data: buffer.toString("base64") })));
  await page.dispatchEvent(at, "dragover", { dataTransfer: dragged });
  const zone = await page.locator("label:has(#file)").getAttribute("data-over");
  await page.dispatchEvent(at, "drop", { dataTransfer: dragged });
  return zone;
}

scene("a file is dropped on the form, and what does not fit is named", [], async (at) => {
  const { page, set } = at;
  await publishPage(at);
  const zone = "label:has(#file)";
  const video = readFileSync(set.video);
  assert.equal(await drop(page, zone, [{ name: "soup.mp4", mimeType: "video/mp4", buffer: video }]), "true", "the zone shows that it takes it");
  await page.getByText("soup.mp4 was uploaded.").waitFor();
  assert.equal(await page.locator(zone).getAttribute("data-over"), null);
  assert.equal(await page.locator("#preview-media video").count(), 1);
  assert.equal((await set.get("/api/v1/uploads"))[0].size, video.length);
  await drop(page, zone, [file("notes.txt", "text/plain")]);
  await page.getByText("Left out: notes.txt. This post takes MP4, MOV, WebM.").waitFor();
  // Beside the zone nothing is taken, and the page stays.
  await page.getByLabel("Caption").fill("Dropped soup");
  const taken = page.evaluate(() => new Promise((resolve) => addEventListener("drop", (event) => setTimeout(() => resolve(event.defaultPrevented)), { once: true })));
  assert.equal(await drop(page, "h1", [{ name: "two.mp4", mimeType: "video/mp4", buffer: video }]), null);
  assert.equal(await taken, true, "the browser does not open the file in place of the page");
  assert.equal(await page.locator("#uploads li").count(), 1);
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  await page.locator(".standing").getByText("Published").first().waitFor();
});

scene("whoever signs out leaves nothing of a form behind", ["--password", "correct horse"], async (at) => {
  const { page, set } = at;
  await page.goto(`${set.origin}/`);
  await signIn(page);
  const channel = await publishPage(at);
  await page.getByLabel("Caption").fill("A secret soup");
  const kept = () => page.evaluate(() => JSON.stringify(sessionStorage));
  assert.match(await kept(), /A secret soup/);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Password").waitFor();
  assert.doesNotMatch(await kept(), /A secret soup/);
  await signIn(page);
  await page.goto(`${set.origin}/channels/${channel}/publish?kind=video`);
  assert.equal(await page.getByLabel("Caption").inputValue(), "");
  assert.equal(await page.getByText("What you had filled in here is back.").count(), 0);
});

scene("a form and its upload survive a reload and a new sign-in, and are gone once they are posted", ["--password", "correct horse"], async (at) => {
  const { page, set } = at;
  await page.goto(`${set.origin}/`);
  await signIn(page);
  await publishPage(at);
  await choose(at);
  await page.getByLabel("Caption").fill("Soup that stays");
  await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
  const back = async () => {
    await page.getByText("What you had filled in here is back.").waitFor();
    assert.equal(await page.getByLabel("Caption").inputValue(), "Soup that stays");
    assert.equal(await page.getByLabel("Who can see this post").inputValue(), "SELF_ONLY");
    assert.equal(await page.locator("#uploads li").count(), 1);
  };
  await page.reload();
  await back();

  await sessionEnds(at, "Publish");
  await back();
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  const jobs = await page.request.get(`${set.origin}/jobs.csv`);
  assert.equal((await jobs.text()).trim().split("\n").length, 2, "one job");

  await page.goBack();
  await page.waitForURL(/\/publish/);
  await page.reload();
  assert.equal(await page.getByText("What you had filled in here is back.").count(), 0);
});

scene("a change of a scheduled post survives the end of the session", ["--password", "correct horse"], async (at) => {
  const { page, set } = at;
  await page.goto(`${set.origin}/`);
  await signIn(page);
  await publishPage(at);
  await choose(at);
  await page.getByLabel("Caption").fill("Soup of May");
  await page.getByLabel("Who can see this post").selectOption("PUBLIC_TO_EVERYONE");
  await page.getByLabel("Later").check();
  await page.getByLabel("Day and time").fill(`${new Date().getFullYear() + 1}-05-01T10:30`);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.waitForURL(/\/jobs\//);
  await page.getByRole("link", { name: "Edit post" }).click();
  const back = page.getByText("What you had filled in here is back.");
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of May");
  await page.getByLabel("Caption").fill("Soup of June");
  await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
  await sessionEnds(at, "Agree and save");
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of June");
  assert.equal(await page.getByLabel("Who can see this post").inputValue(), "SELF_ONLY");
  // Start over: the post as it is stored.
  await page.getByRole("button", { name: "Start over" }).click();
  await back.waitFor({ state: "detached" });
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of May");
  await page.getByLabel("Caption").fill("Soup of July");
  await sessionEnds(at, "Agree and save");
  await page.getByRole("button", { name: "Agree and save" }).click();
  await page.getByRole("heading", { name: "Soup of July" }).waitFor();
  // What was saved is not brought back.
  await page.getByRole("link", { name: "Edit post" }).click();
  assert.equal(await page.getByLabel("Caption").inputValue(), "Soup of July");
  assert.equal(await back.count(), 0);
});

scene("a link that leads nowhere has one verdict", [], async (at) => {
  const { page } = at;
  await publishPage(at);
  await page.getByText("Use a link", { exact: true }).click();
  await page.getByLabel("Use a link").fill("https://nowhere.invalid/soup.mp4");
  await page.getByLabel("Who can see this post").selectOption("SELF_ONLY");
  await page.getByRole("button", { name: "Check without posting" }).click();
  await page.locator("#answer .note.bad, #answer .finding.bad").first().waitFor();
  assert.equal(await page.locator("#answer .good").count(), 0);
});

scene("after access was withdrawn the page says so once", [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  const channel = await connect(at);
  const [account] = (await set.world()).grants;
  const ended = await fetch(`${set.simulator}/_simulator/grants/remove`, {
    method: "POST",
    body: JSON.stringify({ client_key: account.client_key, account: account.account, reason: 1 }),
  });
  assert.equal(ended.status, 200, await ended.text());
  await page.goto(`${set.origin}/channels/${channel}`);
  await page.locator(".badge").getByText("Reconnect").waitFor();
  assert.equal(await page.getByText("Connected", { exact: true }).filter({ has: page.locator(":scope.badge") }).count(), 0);
  assert.equal(await page.locator(".note.bad").count(), 0, "the badge and its sentence say it");
  assert.equal(await page.getByRole("link", { name: "Reconnect" }).first().isVisible(), true);
});

scene("without https what is to be copied is selected", [], async (at) => {
  const { page, set } = at;
  // As a browser has it at an address without https.
  await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.goto(`${set.origin}/settings/keys`);
  await page.getByLabel("Name").fill("shop");
  await page.getByRole("button", { name: "Create key" }).click();
  const line = page.locator(".note .copy");
  await line.getByRole("button", { name: "Copy" }).click();
  await line.getByText("Press Ctrl+C").waitFor();
  assert.equal(await page.evaluate(() => String(getSelection())), await line.locator("code").textContent());
  await enterKeys(at);
  await page.getByRole("button", { name: "Copy callback URL" }).click();
  const field = page.getByLabel("Callback URL");
  assert.equal(await field.evaluate((it) => it.value.slice(it.selectionStart, it.selectionEnd)), await field.inputValue());
});

scene("the keys are a path, and a check shows what is open with the way to its field", [], async (at) => {
  const { page } = at;
  await enterKeys(at);
  const path = page.locator("ol.path > li");
  assert.deepEqual(await path.getByRole("heading").allInnerTexts(), ["Register this callback", "Paste what the app page shows"]);
  assert.equal(await page.getByLabel("Posting audit passed").isVisible(), false, "the rest is folded");
  const checks = page.getByRole("region", { name: "Checks" });
  await checks.getByText(/^\d+ passed$/).waitFor();
  assert.equal(await checks.locator(".finding.good").first().isVisible(), false, "what passed is folded");
  const unset = checks.locator(".finding", { hasText: "is not set, so it was not checked" });
  assert.equal(await unset.count(), 1, "one note for all addresses");
  assert.equal(await unset.getByRole("link", { name: "Change" }).count(), 4);
  const open = checks.locator(".finding", { hasText: "audited the app" });
  await open.getByRole("link", { name: "Change" }).click();
  await page.getByLabel("Posting audit passed").waitFor();
});

scene("permissions cannot all be taken away in silence", [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  const kept = (await set.get("/api/v1/apps/tiktok-live")).settings.find((setting) => setting.name === "scopes").value;
  await page.getByText("More settings").click();
  for (const box of await page.getByRole("group", { name: "Permissions to ask for" }).getByRole("checkbox").all()) await box.uncheck();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Nothing is chosen under “Permissions to ask for”.").first().waitFor();
  await page.getByText("Choose at least one.").waitFor();
  const now = (await set.get("/api/v1/apps/tiktok-live")).settings.find((setting) => setting.name === "scopes").value;
  assert.equal(now, kept);
});

scene("the steps of the guide are numbered once and folded", [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  await page.goto(`${set.origin}/settings/apps/tiktok-live/guide`);
  const steps = page.locator("ol.guide > li");
  const all = await steps.count();
  // What the list counts, lists inside of a step included.
  const counted = await page.evaluate(() => [...document.querySelectorAll(".guide li")].filter((li) => getComputedStyle(li).counterIncrement.startsWith("step")).length);
  assert.equal(counted, all);
  const unfolded = page.locator("ol.guide details[open]");
  assert.equal(await unfolded.count(), 1, "what to do next");
  await page.getByText("Add products and scopes").click();
  await unfolded.locator("code").first().waitFor();
});

/** The step with this title. */
const stepOf = (page, title) => page.locator("ol.guide > li", { has: page.getByRole("heading", { name: title }) });
const isDone = async (page, title) => (await stepOf(page, title).getByRole("heading").textContent()).endsWith("✓ (done)");

for (const [how, javaScriptEnabled] of [["with", true], ["without", false]]) {
  scene(`a step of the guide that is done is ticked and folded, ${how} scripts`, [], async (at) => {
    const { page, set } = at;
    await enterKeys(at);
    await page.goto(`${set.origin}/settings/apps/tiktok-live/guide`);
    const unfolded = page.locator("ol.guide details[open]");
    assert.equal(await unfolded.getByRole("heading").textContent(), "Register the app");
    // The service sees what its own settings are.
    assert.ok(await isDone(page, "Enter key and secret here"));
    const keys = stepOf(page, "Enter key and secret here");
    assert.equal(await keys.locator("details[open]").count(), 0);
    await keys.getByRole("heading").click();
    await keys.getByText("The settings of this app have these values.").waitFor();
    assert.equal(await keys.getByRole("button", { name: "Mark as done" }).count(), 0);

    // What is done in the portal only the person sees.
    await stepOf(page, "Register the app").getByRole("button", { name: "Mark as done: Register the app" }).click();
    await page.waitForURL(/guide#step-1$/);
    assert.ok(await isDone(page, "Register the app"));
    assert.equal(await unfolded.getByRole("heading").textContent(), "Add products and scopes");
    await page.getByText(/^2 of \d+ steps are done\.$/).waitFor();
    await stepOf(page, "Register the app").getByRole("heading").click();
    await stepOf(page, "Register the app").getByRole("button", { name: "Not done yet: Register the app" }).click();
    await page.getByText(/^1 of \d+ steps are done\.$/).waitFor();
    assert.equal(await isDone(page, "Register the app"), false);
  }, { javaScriptEnabled });
}

scene("a connected channel proves the steps up to its callback", [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  await connect(at);
  await page.goto(`${set.origin}/settings/apps/tiktok-live/guide`);
  for (const title of ["Register the app", "Add products and scopes", "Register the redirect address"]) assert.ok(await isDone(page, title), title);
  assert.equal(await isDone(page, "Verify the addresses of the app"), false);
  await stepOf(page, "Register the app").getByRole("heading").click();
  await stepOf(page, "Register the app").getByText("A channel was connected, which takes this step.").waitFor();
});

scene("charts have their time from left to right and three ranges, and all numbers are a file", ["--filled"], async ({ page, set }) => {
  const [channel] = await set.get("/api/v1/channels");
  await page.goto(`${set.origin}/channels/${channel.id}`);
  const days = async () => {
    const times = await page.locator("#n-followers").locator("xpath=ancestor::figure").locator(".axis time").evaluateAll((all) => all.map((time) => Date.parse(time.dateTime)));
    assert.equal(times.length, 2);
    return (times[1] - times[0]) / 86_400_000;
  };
  const most = await days();
  assert.ok(most > 26 && most <= 28, String(most));
  await page.getByRole("navigation", { name: "Time" }).getByRole("link", { name: "7 days" }).click();
  await page.waitForURL(/days=7/);
  const week = await days();
  assert.ok(week > 5 && week <= 7, String(week));
  await page.getByRole("navigation", { name: "Time" }).getByRole("link", { name: "90 days" }).click();
  await page.waitForURL(/days=90/);
  const quarter = await days();
  assert.ok(quarter > 28 && quarter <= 90, String(quarter));
  const numbers = await (await fetch(`${set.origin}/channels/${channel.id}/numbers.csv`)).text();
  const [head, ...rows] = numbers.trim().split("\r\n");
  assert.equal(head, "at,followers,likes,posts,following");
  assert.ok(rows.length >= 30, numbers);
  assert.match(rows[0], /^\d{4}-\d\d-\d\dT[\d:]+Z,\d+,\d+,\d+,\d+$/);
  const jobs = await (await fetch(`${set.origin}/jobs.csv?show=published`)).text();
  assert.match(jobs, /\r\njob_\w+,Demo Kitchen,video,Tomato soup in four minutes #soup,published,/);
  assert.equal((await (await fetch(`${set.origin}/jobs.csv?show=failed`)).text()).trim().split("\r\n").length, 1);
});

scene("the numbers of a post are with the job that made it", ["--filled"], async ({ page, set }) => {
  const [job] = await set.get("/api/v1/jobs");
  await page.goto(`${set.origin}/jobs/${job.id}`);
  const numbers = page.getByRole("region", { name: "Numbers", exact: true });
  for (const name of ["Views", "Likes", "Comments", "Shares"]) await numbers.getByRole("figure", { name }).locator("svg").waitFor();
  await numbers.getByRole("navigation", { name: "Time" }).getByRole("link", { name: "7 days" }).click();
  await page.waitForURL(/days=7/);
  const history = await set.get(`/api/v1/channels/${job.channel}/posts/${job.post_id}/stats/history`);
  const views = history.map((sample) => sample.stats.views);
  assert.ok(views.length >= 10 && views.at(-1) > views[0], JSON.stringify(views));
  const file = await (await fetch(`${set.origin}/jobs/${job.id}/numbers.csv`)).text();
  const [head, ...rows] = file.trim().split("\r\n");
  assert.equal(head, "at,views,likes,replies,reposts");
  assert.equal(rows.length, history.length);
});

scene("uploads are listed with their sizes and can be removed", [], async (at) => {
  const { page, set } = at;
  await publishPage(at);
  await choose(at);
  await page.goto(`${set.origin}/jobs`);
  await page.getByRole("link", { name: "Uploads" }).click();
  await page.getByText("1 file, 3.0 MB.").waitFor();
  await page.getByRole("button", { name: "Remove soup.mp4" }).click();
  await page.getByText("No uploads.").waitFor();
  assert.deepEqual(await set.get("/api/v1/uploads"), []);
});

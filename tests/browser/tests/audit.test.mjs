// TikTok's posting audit: each of its 25 points as an assertion on the page. The table at the end names them; a
// point without a test fails the suite.

import { after, test } from "node:test";
import { strict as assert } from "node:assert";
import { choose, connect, enterKeys, openBrowser, publishPage, scene } from "./support.mjs";

openBrowser();

const POINTS = {
  1: "asks for creator info at every showing, and shows the nickname",
  2: "a creator who cannot post now is stopped, and asked to try later",
  3: "the length of the video is compared with what the creator may post",
  4: "the caption can be entered and edited",
  5: "privacy is a dropdown of the creator's options, without default",
  6: "comments, Duet and Stitch are off at first",
  7: "what the creator has switched off is grey and cannot be ticked",
  8: "photos show only Allow comments",
  9: "disclosure is off at first; on, it has two boxes, multiple choice",
  10: "only Your brand: labelled as 'Promotional content'",
  11: "Branded content, or both: labelled as 'Paid partnership'",
  12: "no label before a choice",
  13: "disclosure on and nothing chosen: no publishing, and why",
  14: "Only me makes Branded content impossible, and says so",
  15: "Branded content makes Only me impossible, and says so",
  16: "the switches are sent as the right toggles",
  17: "consent line without Branded content, with its link",
  18: "consent line with Branded content, with its links",
  19: "the content is previewed",
  20: "nothing is added to the content",
  21: "no byte goes to TikTok before consent",
  22: "processing may take some minutes",
  23: "the result is followed and shown",
  24: "the file is sent, the method that fits files of the person",
  25: "the demo video's script walks through it in this order",
};
const covered = new Set();
const point = (numbers, flags, act) => {
  for (const number of [numbers].flat()) covered.add(number);
  scene(`audit ${[numbers].flat().map((number) => `${number}: ${POINTS[number]}`).join("; ")}`, flags, act);
};

const PROMOTIONAL = "Your photo/video will be labeled as 'Promotional content'";
const PAID = "Your photo/video will be labeled as 'Paid partnership'";
const MUSIC = "By posting, you agree to TikTok's Music Usage Confirmation";
const BRANDED = "By posting, you agree to TikTok's Branded Content Policy and Music Usage Confirmation";
const CHOOSE = "You need to indicate if your content promotes yourself, a third party, or both.";
const NOT_PRIVATE = "Branded content visibility cannot be set to private.";
const MUSIC_URL = "https://www.tiktok.com/legal/page/global/music-usage-confirmation/en";
const BRANDED_URL = "https://www.tiktok.com/legal/page/global/bc-policy/en";

const publish = (page) => page.getByRole("button", { name: "Publish", exact: true });
const who = (page) => page.getByLabel("Who can see this post");
const box = (page, name) => page.getByRole("checkbox", { name, exact: true });

point(1, [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const asked = async () => (await set.log("?path=/v2/post/publish/creator_info/query/")).length;
  const before = await asked();
  await page.reload();
  assert.equal(await asked(), before + 1);
  await page.getByLabel("Author").getByText("Posting as Demo Kitchen").waitFor();
  assert.equal(await page.getByLabel("Author").locator(".avatar").count(), 1);
});

point(2, [], async (at) => {
  await publishPage(at, { account: "busy.bakery" });
  const { page } = at;
  await page.locator("#blocked-form strong").waitFor();
  assert.match(await page.locator("#blocked-form").innerText(), /later|tomorrow|24 hours|hours/i);
  assert.equal(await publish(page).count(), 0, "the form is folded");
  await page.getByText("Show the form").click();
  assert.equal(await page.locator("#press-why").innerText(), "", "it is said once");
  assert.ok(await publish(page).isDisabled());
});

point(3, [], async (at) => {
  const { set, page } = at;
  await set.account("demo.kitchen", { max_video_seconds: 1 });
  await publishPage(at);
  await page.locator("#file").setInputFiles(set.long);
  await page.getByText(/The video is 0:0\d long; this account may post at most 0:01/).first().waitFor();
  await page.getByText("A file does not fit; remove it.").waitFor();
  assert.ok(await publish(page).isDisabled());
  assert.equal((await set.world()).publishes.length, 0);
});

point(4, [], async (at) => {
  await publishPage(at);
  const caption = at.page.getByLabel("Caption");
  await caption.fill("Soup 🍲");
  await caption.pressSequentially(" #soup");
  assert.equal(await caption.inputValue(), "Soup 🍲 #soup");
  // Counted in UTF-16 units: the pot emoji is two.
  await at.page.getByText("13 of 2200 characters").waitFor();
  await caption.fill("x".repeat(2201));
  assert.ok(await publish(at.page).isDisabled());
});

point(5, [], async (at) => {
  await publishPage(at);
  const { page } = at;
  assert.equal(await who(page).inputValue(), "");
  const options = await who(page).locator("option").evaluateAll((all) => all.map((one) => one.value));
  assert.deepEqual(options, ["", "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]);
  await choose(at);
  await publish(page).click();
  // The browser requires it; the service refuses a form sent without it.
  assert.ok(await who(page).evaluate((select) => select.validity.valueMissing));
  assert.equal((await at.set.get("/api/v1/jobs")).length, 0);
});

point([6, 7], [], async (at) => {
  await publishPage(at);
  const { page } = at;
  for (const name of ["Allow comments", "Allow Duet", "Allow Stitch"]) assert.ok(!(await box(page, name).isChecked()), name);
  await box(page, "Allow comments").check();
  // Demo Kitchen has disabled Stitch.
  assert.ok(await box(page, "Allow Stitch").isDisabled());
  await page.getByText("This account does not allow it in its TikTok settings.").waitFor();
});

point(8, [], async (at) => {
  await publishPage(at, { kind: "images" });
  const { page } = at;
  assert.equal(await box(page, "Allow comments").count(), 1);
  assert.equal(await box(page, "Allow Duet").count(), 0);
  assert.equal(await box(page, "Allow Stitch").count(), 0);
});

point([9, 12, 13], [], async (at) => {
  await publishPage(at);
  const { page } = at;
  const disclosure = box(page, "Disclose post content");
  assert.ok(!(await disclosure.isChecked()));
  assert.ok(!(await page.getByText("Your brand").isVisible()));
  for (const label of [PROMOTIONAL, PAID]) assert.equal(await page.getByText(label).count(), 0);
  await disclosure.check();
  await box(page, "Your brand").waitFor();
  await box(page, "Branded content").waitFor();
  for (const label of [PROMOTIONAL, PAID]) assert.equal(await page.getByText(label).count(), 0);
  assert.ok(await publish(page).isDisabled());
  assert.equal(await page.locator("#press").getAttribute("title"), CHOOSE);
  await page.locator("#press-why").getByText(CHOOSE).waitFor();
  await box(page, "Your brand").check();
  await box(page, "Branded content").check();
  assert.ok(await publish(page).isEnabled());
});

point([10, 17], [], async (at) => {
  await publishPage(at);
  const { page } = at;
  await page.locator("#consent").getByText(MUSIC, { exact: true }).waitFor();
  await box(page, "Disclose post content").check();
  await box(page, "Your brand").check();
  await page.getByText(PROMOTIONAL, { exact: true }).waitFor();
  assert.equal(await page.getByText(PAID).count(), 0);
  await page.locator("#consent").getByText(MUSIC, { exact: true }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Music Usage Confirmation" }).getAttribute("href"), MUSIC_URL);
  // Next to the button.
  assert.ok(await publish(page).evaluate((button) => button.closest("section").contains(document.getElementById("consent"))));
});

point([11, 18], [], async (at) => {
  await publishPage(at);
  const { page } = at;
  await box(page, "Disclose post content").check();
  await box(page, "Branded content").check();
  await page.getByText(PAID, { exact: true }).waitFor();
  await page.locator("#consent").getByText(BRANDED, { exact: true }).waitFor();
  await box(page, "Your brand").check();
  await page.getByText(PAID, { exact: true }).waitFor();
  assert.equal(await page.getByText(PROMOTIONAL).count(), 0);
  await page.locator("#consent").getByText(BRANDED, { exact: true }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Branded Content Policy" }).getAttribute("href"), BRANDED_URL);
  assert.equal(await page.getByRole("link", { name: "Music Usage Confirmation" }).getAttribute("href"), MUSIC_URL);
});

point(14, [], async (at) => {
  await publishPage(at);
  const { page } = at;
  await who(page).selectOption("SELF_ONLY");
  await box(page, "Disclose post content").check();
  assert.ok(await box(page, "Branded content").isDisabled());
  await page.locator("[data-field]:has(:disabled)").getByText(NOT_PRIVATE).first().waitFor();
});

point(15, [], async (at) => {
  await publishPage(at);
  const { page } = at;
  await box(page, "Disclose post content").check();
  await box(page, "Branded content").check();
  const only = who(page).locator("option[value=SELF_ONLY]");
  assert.ok(await only.isDisabled());
  assert.equal(await only.getAttribute("title"), NOT_PRIVATE);
  assert.equal(await who(page).getAttribute("title"), NOT_PRIVATE);
  await page.getByText(NOT_PRIVATE).first().waitFor();
});

point([16, 19, 20, 21, 22, 23, 24], [], async (at) => {
  const { set, page } = at;
  await publishPage(at);
  const sent = async () => (await set.log()).filter((one) => /publish\/(video|content)\/init|upload/.test(one.path)).length;
  await page.getByText("After posting it may take a few minutes until the post shows on your profile.").waitFor();
  await choose(at);
  await page.getByLabel("Caption").fill("Soup");
  await page.locator("#preview-media video").waitFor();
  await page.locator("[data-preview=text]").getByText("Soup").waitFor();
  await who(page).selectOption("MUTUAL_FOLLOW_FRIENDS");
  await box(page, "Allow comments").check();
  await box(page, "Disclose post content").check();
  await box(page, "Your brand").check();
  await page.getByRole("button", { name: "Check without posting" }).click();
  await page.locator("#answer .note.good, #answer .findings").first().waitFor();
  assert.equal(await sent(), 0, "nothing before consent");
  await publish(page).click();
  await page.waitForURL(/\/jobs\//);
  await page.locator(".standing").getByText("Published").first().waitFor();
  const [told] = (await set.world()).publishes;
  assert.equal(told.bytes, 3_000_000, "byte for byte, and by upload");
  assert.equal(told.privacy, "MUTUAL_FOLLOW_FRIENDS");
  const [job] = await set.get("/api/v1/jobs");
  assert.equal(job.post.text, "Soup", "no word is added");
  const [init] = await set.log("?path=/v2/post/publish/video/init/");
  const { post_info: sentInfo, source_info: source } = JSON.parse(init.body);
  assert.equal(sentInfo.brand_organic_toggle, true);
  assert.equal(sentInfo.brand_content_toggle, false);
  assert.equal(sentInfo.disable_comment, false);
  assert.equal(sentInfo.disable_duet, true);
  assert.equal(sentInfo.disable_stitch, true);
  assert.equal(source.source, "FILE_UPLOAD");
});

point(25, [], async (at) => {
  const { page, set } = at;
  await enterKeys(at);
  await connect(at);
  await page.goto(`${set.origin}/settings/apps/tiktok-live/guide`);
  // The one script is the guide's; beside it stands what of it the app has done.
  const step = page.locator("ol.guide > li", { has: page.getByText("Record the video for the review") });
  const scenes = (await step.locator(".prose li").allTextContents()).map((text) => text.replaceAll("\n", " "));
  const order = [/website/i, /consent|Login Kit|Connect/i, /user\.info\.profile/, /user\.info\.stats/, /video\.list/, /posting form/, /video\.publish/];
  const places = order.map((wanted) => scenes.findIndex((text) => wanted.test(text)));
  assert.ok(places.every((place) => place >= 0), scenes.join("\n"));
  assert.deepEqual(places, [...places].sort((one, other) => one - other));
  assert.ok((await page.locator("#review ~ .card .steps li.done").count()) >= 4);
});

after(() => {
  const missing = Object.keys(POINTS).map(Number).filter((number) => !covered.has(number));
  assert.deepEqual(missing, []);
});
test("every point of the audit has its test", () => {
  assert.deepEqual([...covered].sort((one, other) => one - other), Object.keys(POINTS).map(Number));
});

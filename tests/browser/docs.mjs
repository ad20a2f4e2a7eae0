// The pictures of the manuals, each by its name in docs/pictures: pages of the test environment, and what the demo prints.
//
//     cargo xtask pictures [FOLDER]       without a folder into docs/pictures

import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { launch, stage } from "./stage.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Name and maker; a maker gets a browser's page and the path. */
export const PICTURES = {
  "publish.png": (page, path) => screen(page, path, (channel) => `/channels/${channel}/publish`),
  "channel.png": (page, path) => screen(page, path, (channel) => `/channels/${channel}`),
  "demo.png": demo,
};

/** Makes all of them. */
export async function make(folder) {
  await mkdir(folder, { recursive: true });
  const browser = await launch();
  try {
    for (const [name, maker] of Object.entries(PICTURES)) {
      const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, colorScheme: "light", locale: "en-GB" });
      await maker(await context.newPage(), `${folder}/${name}`);
      await context.close();
    }
  } finally {
    await browser.close();
  }
}

/** The first screen of a page about the demo's channel. */
async function screen(page, path, address) {
  const filled = await stage("--filled");
  try {
    const [channel] = await filled.get("/api/v1/channels");
    await page.goto(filled.origin + address(channel.id), { waitUntil: "networkidle" });
    await page.screenshot({ path });
  } finally {
    await filled.close();
  }
}

/** What `cargo xtask demo` prints, from the numbers to the bytes that were sent, as a terminal shows it. */
async function demo(page, path) {
  // As README.md says it. One pipe for both, in their order.
  const [line] = /^cargo xtask demo.*$/m.exec(await readFile(join(root, "README.md"), "utf8"));
  const command = ["-c", `cd "${root}" && exec 2>&1\n${line}`];
  const { stdout } = await promisify(execFile)("sh", command, {
    env: { ...process.env, CLICOLOR_FORCE: "1" },
    maxBuffer: 16 << 20,
  });
  const [shown] = /^\$ social-channel stats[^]*^\S*bytes\S* .*$/m.exec(stdout) ?? [];
  if (!shown) throw new Error(`the demo shows no numbers, or nothing sent: ${stdout}`);
  await page.setContent(`<style>
    body { margin: 0; background: #15171c; color: #d8dbe0; }
    pre { margin: 0; padding: 1.2rem 1.4rem; width: 112ch; white-space: pre-wrap; font: 14px/1.45 "DejaVu Sans Mono", monospace; }
    b { color: #fff; } .c2 { opacity: .6; } .c32 { color: #7cc77c; } .c33 { color: #d9bd6a; } .c36 { color: #6cc3c9; }
    .c31 { color: #e08080; } .c90 { color: #8a8f98; }
  </style><pre>${terminal(shown)}</pre>`);
  await page.locator("pre").screenshot({ path });
}

/** Text with a terminal's colours as HTML; of a line that was written again, its last state. */
function terminal(text) {
  // Machines without a font for pictographs show boxes, as wide as a letter; a terminal gives them two places.
  const plain = (piece) => piece.replace(/\p{Extended_Pictographic}\ufe0f?/gu, "  ");
  const escape = (piece) => plain(piece).replace(/[&<>]/g, (it) => `&#${it.charCodeAt(0)};`);
  const lines = text.split("\n").map((line) => line.replace(/\r$/, "").split("\r").at(-1));
  return lines
    .map((line) => {
      if (line.startsWith("$ ")) return `<b>${escape(line)}</b>`;
      let [open, out] = [0, ""];
      for (const piece of line.split(/(\x1b\[[\d;]*[A-Za-z])/)) {
        const colours = /^\x1b\[([\d;]*)m$/.exec(piece);
        if (colours && /^0?$/.test(colours[1])) {
          out += "</span>".repeat(open);
          open = 0;
        } else if (colours) {
          out += `<span class="${colours[1].split(";").map((code) => `c${code}`).join(" ")}">`;
          open += 1;
        } else if (!piece.startsWith("\x1b")) {
          out += escape(piece);
        }
      }
      return out + "</span>".repeat(open);
    })
    .join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await make(process.argv[2] ?? `${root}/docs/pictures`);
}

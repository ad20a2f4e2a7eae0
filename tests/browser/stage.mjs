// Starts a test environment (`browser-stage`) and a headless Chromium, and stops both.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const program = process.env.BROWSER_STAGE ?? fileURLToPath(new URL("../../target/debug/browser-stage", import.meta.url));

/** A separate test environment for each test, so that tests do not affect each other. */
export async function stage(...flags) {
  const child = spawn(program, flags, { stdio: ["pipe", "pipe", "inherit"] });
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`the stage ended with ${code}`)));
  });
  const { origin, storage, simulator, component, video, long } = JSON.parse(line);
  const control = async (method, path, body) => {
    const response = await fetch(`${simulator}/_simulator${path}`, { method, body: body && JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.json();
  };
  return {
    origin,
    storage,
    simulator,
    component,
    video,
    long,
    switches: (change) => control("PATCH", "/switches", change),
    account: (name, change) => control("PATCH", `/accounts/${name}`, change),
    app: (key, change) => control("PATCH", `/apps/${key}`, change),
    log: (query = "") => control("GET", `/log${query}`),
    world: () => control("GET", "/world"),
    violations: () => control("GET", "/violations"),
    fault: (fault) => control("POST", "/faults", fault),
    get: async (path) => (await fetch(origin + path)).json(),
    close: () =>
      new Promise((resolve) => {
        child.once("exit", resolve);
        child.stdin.end();
      }),
  };
}

/** As root or in a container Chromium cannot create its sandbox; it only accesses the test environment. */
export function launch(...more) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
  });
}

// A network of its own: the PLC directory, a PDS, and the AppView, which wants PostgreSQL.
//
//     node --require loopback.cjs network.mjs MODULES POSTGRES-URL ADDRESSES
//
// MODULES is the node_modules folder of `install.sh`. The file ADDRESSES appears once everything answers. The process ends
// with its signals and removes nothing: the folder that TMPDIR names is somebody else's.

import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, database, addresses] = process.argv.slice(2);
const { TestBsky, TestBsync, TestPds, TestPlc, mockNetworkUtilities } = await import(
  pathToFileURL(join(modules, "@atproto/dev-env/dist/index.js"))
);
const { default: getPort } = await import(pathToFileURL(join(modules, "@atproto/dev-env/dist/get-port.js")));

const plc = await TestPlc.create({});
const [pdsPort, bskyPort] = [await getPort(), await getPort()];
const bsync = await TestBsync.create({ apiKeys: ["key-of-a-test"], dbUrl: database, dbSchema: "bsync" });
const bsky = await TestBsky.create({
  port: bskyPort,
  publicUrl: `http://localhost:${bskyPort}`,
  plcUrl: plc.url,
  pdsPort,
  bsyncApiKey: "key-of-a-test",
  bsyncUrl: bsync.url,
  repoProvider: `ws://localhost:${pdsPort}`,
  dbPostgresUrl: database,
  dbPostgresSchema: "appview",
});
bsync.ctx.dataplaneClients = [bsky.ctx.dataplane];
const pds = await TestPds.create({
  port: pdsPort,
  didPlcUrl: plc.url,
  bskyAppViewUrl: bsky.url,
  bskyAppViewDid: bsky.ctx.cfg.serverDid,
  // What a video may weigh; a PDS takes 5 MiB unless it is told otherwise.
  blobUploadLimit: 100 * 1024 * 1024,
});
mockNetworkUtilities(pds, bsky);

// In one piece, for who waits for it.
await writeFile(`${addresses}.part`, JSON.stringify({ pds: pds.url, plc: plc.url, appview: bsky.url }));
await rename(`${addresses}.part`, addresses);

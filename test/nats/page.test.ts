// docs/engines/nats.md: its programs run as they are written and have the right types, the user that it makes may do what
// the engine does, and it names every option there is.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { createScheduler, examine, handle, type Scheduler, task } from "punctual";
import { nats } from "punctual/nats";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { placePrograms, programsOf } from "../../scripts/proof/page-programs.ts";
import { type NatsServer, startNats } from "../../scripts/services/nats.ts";
import { freePort } from "../../scripts/services/server-home.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = "docs/engines/nats.md";
const pageText = readFileSync(join(root, page), "utf8");
const folder = mkdtempSync(join(tmpdir(), "punctual-page-"));
const programs = ["hello.ts", "shards.ts"];

let server: NatsServer;

beforeAll(async () => {
  const found = programsOf(page);
  placePrograms(
    folder,
    programs.map((file, index) => ({ heading: "", file, text: found[index]?.text ?? "" })),
  );
  symlinkSync(join(root, "node_modules/@nats-io"), join(folder, "node_modules/@nats-io"));
  expect(found).toHaveLength(programs.length);
  server = await startNats();
}, 60_000);

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env } });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err };
}

const runProgram = (file: string, url: string) => run(["--conditions=source", file], { NATS_URL: url });

test("the page's first program runs as it is written, and ends by itself", { timeout: 60_000 }, async () => {
  expect(await runProgram("hello.ts", server.url)).toEqual({ out: "hello Ada\n", err: "" });
});

test("the page's program of shards has each tenant's job done in its own shard", { timeout: 60_000 }, async () => {
  const { out, err } = await runProgram("shards.ts", server.url);
  expect({ out: out.trim().split("\n").sort(), err }).toEqual({
    out: ["acme: to the boss", "initech: to the boss"],
    err: "",
  });
});

test("the page's programs have the right types", { timeout: 120_000 }, async () => {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
    compilerOptions: object;
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: programs }));
  expect(await run([join(root, "node_modules/typescript/bin/tsc"), "-p", "."])).toEqual({ out: "", err: "" });
});

test("D10 the pages name every option of the engine, and no others", () => {
  const interfaces = ["options.ts", "access.ts"].map((file) => {
    const source = readFileSync(join(root, "src/engines/nats", file), "utf8");
    return source.replace(/export interface TlsAccess \{[^}]*\}/, "");
  });
  const options = interfaces.join("\n").matchAll(/^ {2}readonly (\w+)\?:/gm);
  const known = [...options].map(([, name = ""]) => name);
  expect(known).toContain("stream");
  const ofWeedbox = readFileSync(join(root, "docs/coming-from.md"), "utf8").split("### Its options")[1] ?? "";
  const tables = `${pageText.split("\n## ")[0]}\n${ofWeedbox.split("### ")[0]}`;
  const rows = [...tables.matchAll(/^\| (`[a-z]\w*[^|]*) \|/gm)].map(([, cell = ""]) => cell);
  const named = rows.flatMap((cell) => [...cell.matchAll(/`([a-z]\w*)(?:\.\w+)?`/g)].map(([, name = ""]) => name));
  const capabilities = ["push", "transactions"];
  const ofEveryEngine = ["retention", "audit"];
  expect(new Set(named.filter((name) => !capabilities.includes(name)))).toEqual(new Set([...known, ...ofEveryEngine]));
});

test("a process on a leaf node reaches the hub's store by its domain, and the leaf's own without", {
  timeout: 60_000,
}, async () => {
  const port = await freePort();
  const hub = await startNats({
    settings: { leafnodes: { listen: `127.0.0.1:${port}` }, jetstream: { domain: "hub" } },
  });
  onTestFinished(() => hub.close());
  const leaf = await startNats({
    settings: { leafnodes: { remotes: [{ url: `nats://127.0.0.1:${port}` }] }, jetstream: { domain: "leaf" } },
  });
  onTestFinished(() => leaf.close());
  const there = createScheduler({ engine: nats(leaf.url, { domain: "hub" }) });
  const here = createScheduler({ engine: nats(leaf.url, { prefix: "site1" }) });
  const { id } = await there.enqueue("travel", null);
  expect((await here.stats()).waiting).toBe(0);
  await Promise.all([there.stop(), here.stop()]);
  for (const engine of [nats(leaf.url, { domain: "hub" }), nats(hub.url)]) {
    const later = createScheduler({ engine });
    expect((await later.jobs.get(id))?.state).toBe("waiting");
    await later.stop();
  }
});

/** The rights of the page's user: what it may publish to, and subscribe to. */
function rights(): { readonly publish: string[]; readonly subscribe: string[] } {
  const list = (name: string) => {
    const [, block = ""] = new RegExp(`${name}: \\[([^\\]]*)\\]`).exec(pageText) ?? [];
    return [...block.matchAll(/"([^"]+)"/g)].map(([, subject = ""]) => subject);
  };
  return { publish: list("publish"), subscribe: list("subscribe") };
}

/** A server that lets in the page's user, one that may make no stream, and one that may do everything. */
async function guardedServer(): Promise<NatsServer> {
  const permissions = rights();
  const publish = permissions.publish.filter((subject) => !subject.includes("STREAM.CREATE"));
  const guarded = await startNats({
    settings: {
      authorization: {
        users: [
          { user: "punctual", password: "secret", permissions },
          { user: "careful", password: "secret", permissions: { ...permissions, publish } },
          { user: "operator", password: "secret" },
        ],
      },
    },
  });
  onTestFinished(() => guarded.close());
  return guarded;
}

const as = (user: string, url: string) => url.replace("//", `//${user}:secret@`);

/** The first message that a stream still holds. */
async function firstOf(stream: string, { url }: NatsServer): Promise<number> {
  const nc = await connect({ servers: url, user: "operator", pass: "secret" });
  try {
    const manager = await jetstreamManager(nc);
    return (await manager.streams.info(stream)).state.first_seq;
  } finally {
    await nc.close();
  }
}

/** Two that write at once, again and again: each is overtaken at times. */
async function inEachOthersWay(another: () => Scheduler): Promise<void> {
  const rivals = [another(), another()];
  for (let round = 0; round < 50; round++) {
    await Promise.all(rivals.map((one) => one.enqueue("forgotten", "", { delay: "1h" })));
  }
  await Promise.all(rivals.map((one) => one.stop()));
}

/** Jobs that are forgotten, until the journal is cleaned of them; many that stay, so that it takes a while to read; and doctor. */
async function work(url: string, isCleaned: () => Promise<boolean>) {
  const forgotten = task<string>("forgotten", { retention: { completed: 0 } });
  const store = { stream: "HELLO", prefix: "hello", cleanFromBytes: 1_000, purgeAfter: 0 } as const;
  const scheduler = createScheduler({ engine: nats(url, store), handlers: [handle(forgotten, () => {})] });
  const items = Array.from({ length: 1_000 }, () => ({ task: forgotten, input: "x".repeat(1_000) }));
  await scheduler.start();
  await inEachOthersWay(() => createScheduler({ engine: nats(url, store) }));
  do {
    let left = items.length;
    const done = new Promise<void>((resolve) => {
      const unlisten = scheduler.on("job:completed", () => {
        if (--left > 0) return;
        unlisten();
        resolve();
      });
    });
    await scheduler.enqueueMany(items);
    await done;
  } while (!(await isCleaned()));
  for (let round = 0; round < 5; round++) await scheduler.enqueueMany(items, { delay: "1h" });
  await scheduler.stop();
  const engine = nats(url, store);
  await engine.open();
  const findings = await examine(engine);
  await engine.close();
  return findings;
}

test("O5 the page's user has the rights that the engine needs, and without making streams where there is one", {
  timeout: 60_000,
}, async () => {
  expect(rights().publish).toContain("hello.journal");
  const guarded = await guardedServer();
  expect(await runProgram("hello.ts", as("punctual", guarded.url))).toEqual({ out: "hello Ada\n", err: "" });
  expect(await runProgram("hello.ts", as("careful", guarded.url))).toEqual({ out: "hello Ada\n", err: "" });
  const findings = await work(as("careful", guarded.url), async () => (await firstOf("HELLO", guarded)) > 1);
  expect(findings.filter(({ status }) => status === "problem")).toEqual([]);
  expect(guarded.lastWords()).not.toContain("Violation");
});

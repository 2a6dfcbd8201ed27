// The proxy of the chaos proofs against a real server: what it is told to lose is lost, and nothing else.
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { CuttingProxy } from "../../scripts/proof/postgres/proxy.ts";
import { type PostgresServer, startPostgres } from "../../scripts/services/postgres.ts";
import { waitFor } from "./stage.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ durable: false });
  await server.query("CREATE TABLE notes (text text)");
}, 60_000);
afterAll(() => server.close());

async function proxied(): Promise<{ readonly proxy: CuttingProxy; readonly client: pg.Client }> {
  const proxy = await CuttingProxy.before(server.url);
  onTestFinished(() => proxy.close());
  const client = new pg.Client(proxy.urlFor(server.url));
  client.on("error", () => {});
  await client.connect();
  return { proxy, client };
}

const notes = async (text: string) => (await server.query("SELECT text FROM notes WHERE text = $1", [text])).length;
const isInsert = (text: string) => text.startsWith("-- notes.insert");
const insert = (client: pg.Client, text: string, name?: string) =>
  client.query({ text: "-- notes.insert\nINSERT INTO notes VALUES ($1)", values: [text], ...(name && { name }) });

test.each([undefined, "named"])("a lost request is never seen by the server; statement name %s", async (name) => {
  const { proxy, client } = await proxied();
  await insert(client, `before ${name}`, name);
  const cut = proxy.cutNext(isInsert, "request");
  await expect(insert(client, `lost ${name}`, name)).rejects.toThrow();
  await cut;
  expect(await notes(`before ${name}`)).toBe(1);
  expect(await notes(`lost ${name}`)).toBe(0);
});

test.each([undefined, "named"])("a lost answer is of something done; statement name %s", async (name) => {
  const { proxy, client } = await proxied();
  const cut = proxy.cutNext(isInsert, "answer");
  await expect(insert(client, `done ${name}`, name)).rejects.toThrow();
  await cut;
  expect(await notes(`done ${name}`)).toBe(1);
});

test("inside a transaction the answer that is lost is the commit's", async () => {
  const { proxy, client } = await proxied();
  const cut = proxy.cutNext(isInsert, "answer");
  await client.query("BEGIN");
  await insert(client, "committed");
  await expect(client.query("COMMIT")).rejects.toThrow();
  await cut;
  expect(await notes("committed")).toBe(1);
});

test("listening connections are known, cut, and kept away while LISTEN is forbidden", async () => {
  const { proxy, client } = await proxied();
  await client.query("SELECT 1");
  expect(proxy.listening).toBe(0);
  await client.query("LISTEN news");
  expect(proxy.listening).toBe(1);
  expect(proxy.cutListening()).toBe(1);
  await waitFor("the cut", () => proxy.connections === 0);
  const allow = proxy.forbidListen();
  const other = new pg.Client(proxy.urlFor(server.url));
  other.on("error", () => {});
  await other.connect();
  await expect(other.query("LISTEN news")).rejects.toThrow();
  allow();
  const third = new pg.Client(proxy.urlFor(server.url));
  await third.connect();
  await third.query("LISTEN news");
  expect(proxy.listening).toBe(1);
  await third.end();
});

test("a stalled proxy passes nothing and loses nothing; one that refuses lets nobody in", async () => {
  const { proxy, client } = await proxied();
  proxy.stall(true);
  let isAnswered = false;
  const answer = insert(client, "patient").then(() => {
    isAnswered = true;
  });
  expect(await notes("patient")).toBe(0);
  expect(isAnswered).toBe(false);
  proxy.stall(false);
  await answer;
  expect(await notes("patient")).toBe(1);
  proxy.refuse(true);
  await expect(new pg.Client(proxy.urlFor(server.url)).connect()).rejects.toThrow();
  proxy.refuse(false);
  await client.end();
});

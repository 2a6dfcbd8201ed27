// The conformance suite on PGlite: an embedded PostgreSQL with one session, which two handles in one process share.
import { afterAll, beforeAll } from "vitest";
import type { Engine } from "../../src/core/engine.ts";
import { postgres, type SqlClient } from "../../src/engines/postgres/index.ts";
import { type Harness, type OpenTx, TestClock } from "../../src/testing/conformance/harness.ts";
import { runSuite } from "../engines/run-suite.ts";
import { emptyStatement } from "./harness.ts";
import { newPglite, type TestPglite, type Transaction } from "./load-pglite.ts";

let pglite: TestPglite;
let more = 0;

async function openHarness(): Promise<Harness> {
  await pglite.exec(emptyStatement);
  const clock = new TestClock();
  const opened: Engine<SqlClient>[] = [];
  const open = async (options: object = {}) => {
    const engine = postgres(pglite, { clock, ...options });
    opened.push(engine);
    await engine.open();
    return engine;
  };
  const [engine, other] = [await open(), await open()];
  const schemas: string[] = [];
  return {
    engine: engine as Engine,
    other: other as Engine,
    clock,
    beginTx: () => begin(engine),
    openWith: async (options) => {
      const schema = `more_${more++}`;
      schemas.push(schema);
      return (await open({ schema, ...options })) as Engine;
    },
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
      for (const schema of schemas) await pglite.exec(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    },
  };
}

/** A transaction that is open until it is told to end. Everyone else waits for it. */
async function begin(engine: Engine<SqlClient>): Promise<OpenTx> {
  let ends: (commits: boolean) => void = () => {};
  const end = new Promise<boolean>((resolve) => {
    ends = resolve;
  });
  let ended: Promise<unknown> = Promise.resolve();
  const tx = await new Promise<Transaction>((resolve) => {
    ended = pglite.transaction(async (opened) => {
      resolve(opened);
      if (!(await end)) await opened.rollback();
    });
  });
  const joined = engine.using?.(tx);
  if (joined === undefined) throw new Error("the postgres engine joins transactions");
  const finish = async (commits: boolean) => {
    ends(commits);
    await ended;
  };
  return { joined, othersReadOn: false, commit: () => finish(true), rollback: () => finish(false) };
}

// It compiles itself anew in each process.
beforeAll(async () => {
  pglite = await newPglite();
}, 60_000);

afterAll(() => pglite?.close());

runSuite("postgres, PGlite", openHarness);

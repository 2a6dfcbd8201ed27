// The adapters as clients of statements: the same parameters, rows, errors and savepoints whatever the library.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { queryOnce } from "../../scripts/services/databases.ts";
import { fromDrizzle } from "../../src/engines/postgres/adapters/drizzle.ts";
import { fromKnex } from "../../src/engines/postgres/adapters/knex.ts";
import type { SqlClient } from "../../src/engines/postgres/sql.ts";
import { sharedPostgres } from "../servers/shared.ts";
import { installLibraries } from "./libraries/installation.ts";
import { type EmbeddedPostgres, loadKnex, loadPglite } from "./libraries/libraries.ts";
import { type Library, ways } from "./ways.ts";

const installMs = 120_000;
const awkward = "q'\"\\ {},;\n\t\u0001\u{1F600}é% $1 ? ?? :x ::y NULL";
const id = "00000000-0000-0000-0000-00000000abcd";

/** Runs `work` in a savepoint as the engine does: by the library where it needs that, else by statements. */
async function inSavepoint(client: SqlClient, work: (client: SqlClient) => Promise<void>): Promise<void> {
  if (client.savepoint !== undefined) return await client.savepoint(work);
  await client.query("SAVEPOINT test");
  try {
    await work(client);
  } catch (error) {
    await client.query("ROLLBACK TO test");
    throw error;
  }
}

let url: string;
let pglite: EmbeddedPostgres;

beforeAll(async () => {
  await installLibraries();
  url = await sharedPostgres();
  pglite = await (await loadPglite()).PGlite.create();
  await queryOnce(url, "CREATE TABLE items (id int PRIMARY KEY)");
  await pglite.query("CREATE TABLE items (id int PRIMARY KEY)");
}, installMs);

afterAll(() => pglite.close());

describe.each(ways)("$name", ({ open }) => {
  let library: Library;

  beforeAll(async () => {
    library = await open(url, pglite);
  });

  afterAll(() => library.close());

  /** What a transaction's work answers. */
  async function within<T>(work: (client: SqlClient) => Promise<T>): Promise<T> {
    let answer: T | undefined;
    await library.transaction(async (client) => {
      answer = await work(client);
    });
    return answer as T;
  }

  const insert = (client: SqlClient, item: number) => client.query("INSERT INTO items VALUES ($1::int)", [item]);

  async function items(): Promise<number[]> {
    const { rows } = await within((client) => client.query("SELECT id FROM items ORDER BY id"));
    const found = rows.map((row: { id: number }) => row.id);
    await within((client) => client.query("DELETE FROM items"));
    return found;
  }

  test("J1 parameters reach the server, and rows come back, as with every other driver", async () => {
    const { rows } = await within((client) =>
      client.query(
        `-- test.values ?
SELECT $1::text AS any_text, $2::bigint::float8 AS due_at, $3::bigint::text AS exact_text, $4::float8 AS part,
  $5::bool AS is_true, NOT $5::bool AS is_false, $6::text AS none, $7::uuid::text AS id, $8::jsonb::text AS body,
  $11::json::text AS body_as_json, $10::text[]::text AS names, 7::int4 AS small, $2::bigint AS any_number, encode($9::bytea, 'hex') AS bytes, '? $1 :x ::y' AS literal`,
        [
          awkward,
          1_700_000_000_123,
          Number.MAX_SAFE_INTEGER,
          0.1,
          true,
          null,
          id,
          '{"a":"x"}',
          new Uint8Array([0, 1, 255]),
          '{"a b",NULL,c}',
          '{"a":"x"}',
        ],
      ),
    );
    expect(rows.map((row) => ({ ...row, any_number: Number(row.any_number) }))).toEqual([
      {
        any_text: awkward,
        due_at: 1_700_000_000_123,
        exact_text: `${Number.MAX_SAFE_INTEGER}`,
        part: 0.1,
        is_true: true,
        is_false: false,
        none: null,
        id,
        body: '{"a": "x"}',
        body_as_json: '{"a":"x"}',
        names: '{"a b",NULL,c}',
        small: 7,
        any_number: 1_700_000_000_123,
        bytes: "0001ff",
        literal: "? $1 :x ::y",
      },
    ]);
  });

  test("J1 a list that is one JSON text arrives with its nulls and its awkward strings", async () => {
    const list = [
      { key: awkward, due_at: 1_700_000_000_123, on: true, input: JSON.stringify({ a: "\u0000" }) },
      { key: null, due_at: null, on: null, input: '"x"' },
    ];
    const { rows } = await within((client) =>
      client.query(
        `SELECT key, due_at::float8, "on", input FROM json_to_recordset($1::text::json)
  AS item(key text, due_at bigint, "on" bool, input text)`,
        [JSON.stringify(list)],
      ),
    );
    expect(rows.map((row) => ({ ...row }))).toEqual(list);
  });

  test("J1 an error of a statement has its SQLSTATE, and the transaction is undone", async () => {
    const failing = library.transaction(async (client) => {
      await insert(client, 1);
      await insert(client, 1);
    });
    await expect(failing).rejects.toMatchObject({ code: "23505" });
    expect(await items()).toEqual([]);
  });

  test("J1 what is written commits with the transaction, and is gone when it rolls back", async () => {
    await library.transaction(async (client) => {
      await insert(client, 1);
    });
    const refused = library.transaction(async (client) => {
      await insert(client, 2);
      throw new Error("refused");
    });
    await expect(refused).rejects.toThrow("refused");
    expect(await items()).toEqual([1]);
  });

  test("J1 what fails in a savepoint is undone, and the transaction goes on and commits", async () => {
    await library.transaction(async (client) => {
      await insert(client, 1);
      for (let attempt = 0; attempt < 3; attempt++) {
        const failing = inSavepoint(client, async (inner) => {
          await insert(inner, 2);
          await insert(inner, 1);
        });
        await expect(failing).rejects.toMatchObject({ code: "23505" });
      }
      await inSavepoint(client, async (inner) => {
        await insert(inner, 3);
        await expect(inSavepoint(inner, async (innermost) => void (await insert(innermost, 3)))).rejects.toThrow();
      });
      await insert(client, 4);
    });
    expect(await items()).toEqual([1, 3, 4]);
  });

  test("J1 a nested transaction of the library is undone by itself", async () => {
    await library.nested(
      async (client) => void (await insert(client, 1)),
      async (client) => void (await insert(client, 2)),
    );
    expect(await items()).toEqual([2]);
  });

  test("J1 a transaction that is adapted twice is one client, so that calls on it take turns", async () => {
    await library.transaction(async (client, again) => expect(again()).toBe(client));
  });
});

describe("what is no open transaction", () => {
  const refusal = { code: "INVALID_INPUT" };

  test.each(ways.filter(({ refuses }) => refuses))("J1 $name outside of a transaction is refused", async ({ open }) => {
    const library = await open(url, pglite);
    expect(library.withoutTransaction).toThrow(expect.objectContaining(refusal));
    await library.close();
  });

  test("J1 Drizzle on a driver that is not known is refused", () => {
    const tx = { _: { session: {} }, rollback: () => expect.unreachable() };
    expect(() => fromDrizzle(tx)).toThrow(expect.objectContaining(refusal));
  });

  test("J1 a transaction of Knex that has ended is refused, as its connection may be someone else's by then", async () => {
    const knex = (await loadKnex()).default({ client: "pg", connection: url });
    const trx = await knex.transaction();
    const client = fromKnex(trx);
    await client.query("SELECT 1");
    await trx.commit();
    await expect(client.query("SELECT 1")).rejects.toMatchObject(refusal);
    await knex.destroy();
  });
});

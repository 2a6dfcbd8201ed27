// From URLs to engines: what is chosen, what is refused, what is never shown.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { chooseUrl, connect, redactUrl } from "../../src/connect.ts";
import { Workplace } from "./punctual.ts";

const urls = {
  PUNCTUAL_URL: "sqlite:./a.db",
  DATABASE_URL: "sqlite:./b.db",
  NATS_URL: "nats://host",
  REDIS_URL: "redis://host",
};

describe("chooseUrl", () => {
  it("takes the URL given before any variable", () => {
    expect(chooseUrl(urls, "memory:")).toEqual({ url: "memory:", source: "argument" });
  });

  it("looks at PUNCTUAL_URL, DATABASE_URL, NATS_URL and REDIS_URL in that order", () => {
    const env: Record<string, string> = { ...urls };
    for (const source of ["PUNCTUAL_URL", "DATABASE_URL", "NATS_URL", "REDIS_URL"] as const) {
      expect(chooseUrl(env)).toEqual({ url: urls[source], source });
      env[source] = " ";
    }
  });

  it("falls back to sqlite:./punctual.db", () => {
    expect(chooseUrl({})).toEqual({ url: "sqlite:./punctual.db", source: "default" });
  });

  it("refuses an empty URL instead of taking another one", () => {
    expect(() => chooseUrl(urls, "")).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "url" }));
  });
});

describe("connect", () => {
  it.each([
    ["memory:", "memory"],
    ["sqlite::memory:", "sqlite"],
    ["MEMORY:", "memory"],
  ])("opens %s", async (url, name) => {
    const engine = await connect(url);
    expect(engine.name).toBe(name);
    await engine.open();
    await engine.close();
  });

  it.each(["sqlite:%s/a.db", "sqlite://%s/b.db", "%s/c.db", "%s/d.sqlite", "%s/e.sqlite3"])(
    "takes %s as a SQLite file",
    async (pattern) => {
      await using place = new Workplace();
      const engine = await connect(pattern.replace("%s", place.folder));
      await engine.open();
      await engine.close();
      expect(existsSync(pattern.replace(/^sqlite:(\/\/)?/, "").replace("%s", place.folder))).toBe(true);
    },
  );

  it("hands its clock on to the engine", async () => {
    const engine = await connect("sqlite::memory:", { clock: { now: () => 42 } });
    expect(await engine.now()).toBe(42);
  });

  it("reads the environment when no URL is given", async () => {
    vi.stubEnv("PUNCTUAL_URL", "memory:");
    expect((await connect()).name).toBe("memory");
  });

  it.each(["postgres://h/d", "postgresql://h/d"])(
    "takes %s for the postgres engine, and connects to nothing yet",
    async (url) => {
      expect((await connect(url)).name).toBe("postgres");
    },
  );

  it.each(["redis://h", "rediss://h", "valkey://h/2"])(
    "takes %s for the redis engine, and connects to nothing yet",
    async (url) => {
      expect((await connect(url)).name).toBe("redis");
    },
  );

  it.each(["nats://h", "tls://h", "nats://user:password@h:1,i:2"])(
    "takes %s for the nats engine, and connects to nothing yet",
    async (url) => {
      expect((await connect(url)).name).toBe("nats");
    },
  );

  it("O5 says of a URL that no engine takes which engines there are", async () => {
    await expect(connect("mysql://h")).rejects.toMatchObject({
      code: "ENGINE_NOT_CONFIGURED",
      field: "url",
      message: expect.stringMatching(/the engines of this version are memory, sqlite, postgres, redis, nats$/),
    });
  });

  it("names the variable that held a URL nobody takes", async () => {
    vi.stubEnv("PUNCTUAL_URL", "");
    vi.stubEnv("DATABASE_URL", "mysql://user:hunter2@host/db");
    const error: Error & { field?: string } = await connect().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "ENGINE_NOT_CONFIGURED", field: "DATABASE_URL" });
    expect(error.message).not.toContain("hunter2");
  });

  it("refuses parameters of a sqlite URL instead of making them part of the file's name", async () => {
    await expect(connect("sqlite:./a.db?mode=ro")).rejects.toMatchObject({ code: "INVALID_INPUT", field: "url" });
  });

  it("refuses an unknown option", async () => {
    await expect(connect("memory:", { clok: 1 } as object)).rejects.toMatchObject({ field: "clok" });
  });

  it("creates no store with mustExist", async () => {
    await using place = new Workplace();
    const path = join(place.folder, "none.db");
    await expect(connect(path, { mustExist: true })).rejects.toMatchObject({ code: "ENGINE_NOT_CONFIGURED" });
    expect(existsSync(path)).toBe(false);
  });
});

describe("redactUrl", () => {
  it.each([
    ["postgres://user:hunter2@host:5432/db", "postgres://user:***@host:5432/db"],
    ["postgres://user:hun@ter/2@host/db", "postgres://user:***@host/db"],
    ["redis://:hunter2@host:6379", "redis://:***@host:6379"],
    ["nats://hunter2@host:4222", "nats://***@host:4222"],
    ["nats://u:hunter2@a:4222,nats://u:hunter2@b:4222", "nats://u:***@b:4222"],
    ["postgres://host/db?user=u&password=hunter2&x=1", "postgres://host/db?user=u&password=***&x=1"],
    ["user:hunter2@host/db", "user:***@host/db"],
    ["sqlite:./punctual.db", "sqlite:./punctual.db"],
    ["postgres://user@host:5432/db", "postgres://user@host:5432/db"],
    ["memory:", "memory:"],
  ])("shows %s as %s", (url, shown) => {
    expect(redactUrl(url)).toBe(shown);
  });
});

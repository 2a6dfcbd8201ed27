// A process with engines of its own, on files, Redis or NATS servers, which does what it is told over IPC; the other end is
// remote-process.ts.
import type { Engine } from "../../src/core/engine.ts";
import type { HistoryOptions } from "../../src/core/history.ts";
import { nats } from "../../src/engines/nats/index.ts";
import { redis } from "../../src/engines/redis/index.ts";
import { sqlite } from "../../src/engines/sqlite/index.ts";
import { TestClock } from "../../src/testing/conformance/harness.ts";
import { type Call, decisionOf, type NamedFire, type Reply } from "./protocol.ts";

interface Opened {
  readonly engine: Engine;
  readonly clock: TestClock;
}

type Method = (engine: Engine, ...args: readonly never[]) => Promise<unknown>;

const opened = new Map<string, Opened>();

const methods: Readonly<Record<string, Method>> = {
  now: (engine) => engine.now(),
  "jobs.insert": (engine, inserts) => engine.jobs.insert(inserts),
  "jobs.claim": (engine, request) => engine.jobs.claim(request),
  "jobs.extend": (engine, extensions, leaseMs) => engine.jobs.extend(extensions, leaseMs),
  "jobs.settle": (engine, settlements) => engine.jobs.settle(settlements),
  "jobs.change": (engine, changes, guardrails) => engine.jobs.change(changes, guardrails),
  "jobs.get": (engine, id, tenant) => engine.jobs.get(id, tenant),
  "jobs.list": (engine, filter, page) => engine.jobs.list(filter, page),
  "jobs.stats": (engine, filter) => engine.jobs.stats(filter),
  "jobs.purge": (engine, request) => engine.jobs.purge(request),
  "schedules.put": (engine, puts, guardrails) => engine.schedules.put(puts, guardrails),
  "schedules.get": (engine, ref) => engine.schedules.get(ref),
  "schedules.list": (engine, filter, page) => engine.schedules.list(filter, page),
  "schedules.remove": (engine, removals) => engine.schedules.remove(removals),
  "schedules.fire": (engine, fire: NamedFire) => {
    const { decision, ...request } = fire;
    return engine.schedules.fire({ ...request, decide: decisionOf(decision) });
  },
  "queues.put": (engine, changes, actor) => engine.queues.put(changes, actor),
  "queues.list": (engine) => engine.queues.list(),
  "tenants.put": (engine, changes, actor) => engine.tenants.put(changes, actor),
  "tenants.get": (engine, ids) => engine.tenants.get(ids),
  "tenants.list": (engine, filter, page) => engine.tenants.list(filter, page),
  "records.get": (engine, keys) => engine.records.get(keys),
  "records.put": (engine, puts) => engine.records.put(puts),
  "records.list": (engine, prefix, page) => engine.records.list(prefix, page),
  "records.remove": (engine, keys) => engine.records.remove(keys),
  "events.append": (engine, events) => engine.events.append(events),
  "events.list": (engine, filter, page) => engine.events.list(filter, page),
  "events.purge": (engine, request) => engine.events.purge(request),
  "transfer.read": (engine, request) => engine.transfer.read(request),
  "transfer.counts": (engine) => engine.transfer.counts(),
  "transfer.write": (engine, request) => engine.transfer.write(request),
  "inspection.standing": (engine, id, request) => engine.inspection.standing(id, request),
  "inspection.schedules": (engine, which, limit) => engine.inspection.schedules(which, limit),
  "inspection.findings": (engine) => engine.inspection.findings(),
  "migrations.state": (engine) => engine.migrations.state(),
  "migrations.apply": (engine) => engine.migrations.apply(),
};

function reply(message: Reply): void {
  process.send?.(message);
}

/** Of a file's path, or of a server's URL with the prefix as its fragment; for NATS with the stream before it. */
function engineOf(store: string, options: HistoryOptions & { readonly clock: TestClock }): Engine {
  const [url = "", prefix = ""] = store.split("#");
  if (store.startsWith("redis:")) return redis(url, { prefix, ...options });
  if (!store.startsWith("nats:")) return sqlite(store, options);
  const [stream = "", name = ""] = prefix.split("/");
  return nats(url, { stream, prefix: name, ...options });
}

async function open(store: string, clock: TestClock, options: HistoryOptions): Promise<void> {
  const engine = engineOf(store, { clock, ...options });
  opened.set(store, { engine, clock });
  await engine.open();
}

async function answer({ store, now, method, args }: Call): Promise<unknown> {
  if (method === "open") {
    const clock = new TestClock();
    clock.set(now);
    return open(store, clock, args[0] as HistoryOptions);
  }
  const found = opened.get(store);
  if (found === undefined) throw new Error(`${store} is not open here`);
  found.clock.set(now);
  if (method === "close") {
    opened.delete(store);
    return found.engine.close();
  }
  if (method === "watch") {
    await found.engine.watch?.((signal) => reply({ store, signal }));
    return undefined;
  }
  const run = methods[method];
  if (run === undefined) throw new Error(`the contract has no method ${method}`);
  return run(found.engine, ...(args as readonly never[]));
}

process.on("message", (call: Call) => {
  answer(call).then(
    (value) => reply({ call: call.call, value }),
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      reply({ call: call.call, error: { message, code } });
    },
  );
});

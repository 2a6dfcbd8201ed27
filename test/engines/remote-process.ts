// The test's end of a remote engine: the contract as calls to another process, and a handle that alternates between
// this process and that one.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/core/clock.ts";
import type { Engine } from "../../src/core/engine.ts";
import type { HistoryOptions } from "../../src/core/history.ts";
import type { Signal } from "../../src/core/signal.ts";
import { type Call, type NamedFire, nameDecision, type Reply } from "./protocol.ts";

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** A process that runs remote-engine.ts. */
export class RemoteProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #watchers = new Map<string, Set<(signal: Signal) => void>>();
  #calls = 0;

  constructor() {
    const path = fileURLToPath(new URL("remote-engine.ts", import.meta.url));
    const execArgv = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
    this.#child = fork(path, { execPath: process.execPath, execArgv, serialization: "advanced" });
    this.#child.on("message", (reply: Reply) => this.#hear(reply));
    this.#child.on("exit", (code) => this.#fail(new Error(`the remote engine's process ended with ${code}`)));
  }

  #hear(reply: Reply): void {
    if ("signal" in reply) {
      for (const watcher of this.#watchers.get(reply.store) ?? []) watcher(reply.signal);
      return;
    }
    const waiting = this.#waiting.get(reply.call);
    this.#waiting.delete(reply.call);
    if ("error" in reply) {
      waiting?.reject(Object.assign(new Error(reply.error.message), { code: reply.error.code }));
    } else waiting?.resolve(reply.value as never);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** Calls a contract method on the engine of a store. */
  call<T>(store: string, clock: Clock, method: string, ...args: readonly unknown[]): Promise<T> {
    this.#calls++;
    const message: Call = { call: this.#calls, store, now: clock.now(), method, args };
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(message.call, { resolve, reject });
      this.#child.send(message);
    });
  }

  /** Adds a watcher of a store; answers how to remove it. */
  listen(store: string, onSignal: (signal: Signal) => void): () => void {
    const watchers = this.#watchers.get(store) ?? new Set();
    this.#watchers.set(store, watchers.add(onSignal));
    return () => watchers.delete(onSignal);
  }

  /** Lets the process end by itself. */
  end(): void {
    this.#child.removeAllListeners("exit");
    this.#child.disconnect();
  }
}

/** The contract in another process. A decision that a fact made itself cannot travel: that fire runs on `local`. */
export function remoteEngine(
  remote: RemoteProcess,
  store: string,
  clock: Clock,
  local: Engine,
  options: HistoryOptions = {},
): Engine {
  const call = <T>(method: string, ...args: readonly unknown[]) => remote.call<T>(store, clock, method, ...args);
  return {
    name: local.name,
    capabilities: local.capabilities,
    open: () => call("open", options),
    close: () => call("close"),
    now: () => call("now"),
    jobs: {
      insert: (inserts) => call("jobs.insert", inserts),
      claim: (request) => call("jobs.claim", request),
      extend: (extensions, leaseMs) => call("jobs.extend", extensions, leaseMs),
      settle: (settlements) => call("jobs.settle", settlements),
      change: (changes, guardrails) => call("jobs.change", changes, guardrails),
      get: (id, tenant) => call("jobs.get", id, tenant),
      list: (filter, page) => call("jobs.list", filter, page),
      stats: (filter) => call("jobs.stats", filter),
      purge: (request) => call("jobs.purge", request),
    },
    schedules: {
      put: (puts, guardrails) => call("schedules.put", puts, guardrails),
      get: (ref) => call("schedules.get", ref),
      list: (filter, page) => call("schedules.list", filter, page),
      remove: (removals) => call("schedules.remove", removals),
      fire: ({ decide, ...request }) => {
        const decision = nameDecision(decide);
        if (decision === undefined) return local.schedules.fire({ decide, ...request });
        const named: NamedFire = { ...request, decision };
        return call("schedules.fire", named);
      },
    },
    queues: { put: (changes, actor) => call("queues.put", changes, actor), list: () => call("queues.list") },
    tenants: {
      put: (changes, actor) => call("tenants.put", changes, actor),
      get: (ids) => call("tenants.get", ids),
      list: (filter, page) => call("tenants.list", filter, page),
    },
    records: {
      get: (keys) => call("records.get", keys),
      put: (puts) => call("records.put", puts),
      list: (prefix, page) => call("records.list", prefix, page),
      remove: (keys) => call("records.remove", keys),
    },
    events: {
      append: (events) => call("events.append", events),
      list: (filter, page) => call("events.list", filter, page),
      purge: (request) => call("events.purge", request),
    },
    transfer: {
      read: (request) => call("transfer.read", request),
      counts: () => call("transfer.counts"),
      write: (request) => call("transfer.write", request),
    },
    inspection: {
      standing: (id, request) => call("inspection.standing", id, request),
      schedules: (which, limit) => call("inspection.schedules", which, limit),
      findings: () => call("inspection.findings"),
    },
    migrations: { state: () => call("migrations.state"), apply: () => call("migrations.apply") },
    watch: async (onSignal) => {
      const leave = remote.listen(store, onSignal);
      await call("watch");
      return async () => leave();
    },
  };
}

/** One handle whose calls are made by two engines in turn; it watches and joins transactions through the first. */
export function alternating(first: Engine, second: Engine): Engine {
  let turn = 0;
  const next = () => (turn++ % 2 === 0 ? first : second);
  return {
    ...first,
    now: () => next().now(),
    jobs: {
      insert: (inserts) => next().jobs.insert(inserts),
      claim: (request) => next().jobs.claim(request),
      extend: (extensions, leaseMs) => next().jobs.extend(extensions, leaseMs),
      settle: (settlements) => next().jobs.settle(settlements),
      change: (changes, guardrails) => next().jobs.change(changes, guardrails),
      get: (id, tenant) => next().jobs.get(id, tenant),
      list: (filter, page) => next().jobs.list(filter, page),
      stats: (filter) => next().jobs.stats(filter),
      purge: (request) => next().jobs.purge(request),
    },
    schedules: {
      put: (puts, guardrails) => next().schedules.put(puts, guardrails),
      get: (ref) => next().schedules.get(ref),
      list: (filter, page) => next().schedules.list(filter, page),
      remove: (removals) => next().schedules.remove(removals),
      fire: (request) => next().schedules.fire(request),
    },
    queues: { put: (changes, actor) => next().queues.put(changes, actor), list: () => next().queues.list() },
    tenants: {
      put: (changes, actor) => next().tenants.put(changes, actor),
      get: (ids) => next().tenants.get(ids),
      list: (filter, page) => next().tenants.list(filter, page),
    },
    records: {
      get: (keys) => next().records.get(keys),
      put: (puts) => next().records.put(puts),
      list: (prefix, page) => next().records.list(prefix, page),
      remove: (keys) => next().records.remove(keys),
    },
    events: {
      append: (events) => next().events.append(events),
      list: (filter, page) => next().events.list(filter, page),
      purge: (request) => next().events.purge(request),
    },
    transfer: {
      read: (request) => next().transfer.read(request),
      counts: () => next().transfer.counts(),
      write: (request) => next().transfer.write(request),
    },
    inspection: {
      standing: (id, request) => next().inspection.standing(id, request),
      schedules: (which, limit) => next().inspection.schedules(which, limit),
      findings: () => next().inspection.findings(),
    },
    migrations: { state: () => next().migrations.state(), apply: () => next().migrations.apply() },
  };
}

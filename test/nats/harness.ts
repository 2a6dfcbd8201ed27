// What the NATS modes of the conformance suite share: one stream for all facts of a file, and in it a deployment of its own
// for every fact.
import { jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { Engine } from "../../src/core/engine.ts";
import { type NatsOptions, nats } from "../../src/engines/nats/index.ts";
import { type Harness, TestClock } from "../../src/testing/conformance/harness.ts";

/** A stream that takes the journals of many deployments. */
export interface Deployments {
  readonly stream: string;
  /** A prefix that nobody has. */
  newPrefix(): string;
}

/** Makes a stream on a server that other tests use too. */
export async function makeStream(url: string, name: string, config: Partial<StreamConfig> = {}): Promise<Deployments> {
  const nc = await connect({ servers: url.split(",") });
  try {
    const jsm = await jetstreamManager(nc);
    await jsm.streams.add({
      name,
      subjects: [`${name}.>`],
      deny_delete: true,
      discard: "new",
      allow_direct: true,
      ...({ allow_atomic: true } as Partial<StreamConfig>),
      ...config,
    });
  } finally {
    await nc.close();
  }
  let last = 0;
  return { stream: name, newPrefix: () => `${name}.${++last}` };
}

/** How a mode opens its engines; the second handle may be another way in. */
export interface Mode {
  open(options: NatsOptions): Engine;
  other?(options: NatsOptions): Engine;
}

/** A mode that opens a URL. */
export function onUrl(url: string): Mode {
  return { open: (options) => nats(url, options) };
}

/** Two handles on a deployment that nobody else uses. */
export async function openHarness(mode: Mode, { stream, newPrefix }: Deployments): Promise<Harness> {
  const clock = new TestClock();
  const prefix = newPrefix();
  const opened: Engine[] = [];
  const open = async (engine: Engine) => {
    opened.push(engine);
    await engine.open();
    return engine;
  };
  const engine = await open(mode.open({ clock, stream, prefix }));
  const other = await open((mode.other ?? mode.open)({ clock, stream, prefix }));
  return {
    engine,
    other,
    clock,
    openWith: (options) => open(mode.open({ clock, stream, prefix: newPrefix(), ...options })),
    close: async () => {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}

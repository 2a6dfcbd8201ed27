// The NATS engine: the same contract on a JetStream journal that every process follows. See journal.ts for how it works.
import type { Engine } from "../../core/engine.ts";
import { storesOver } from "../../world/stores.ts";
import type { Location } from "./location.ts";
import { checkOptions, type NatsOptions } from "./options.ts";
import { Store } from "./store.ts";

export type { Location } from "./location.ts";
export type { NatsOptions } from "./options.ts";

/**
 * A store on NATS servers of version 2.12 or newer with JetStream: a `nats:` or `tls:` URL (several hosts with commas between
 * them, or several URLs), or a connection of your own, which is never closed. Every process that opens it keeps its
 * unfinished jobs and what is kept of finished ones in its memory.
 * @throws InvalidInputError
 */
export function nats(location: Location, options: NatsOptions = {}): Engine {
  const store = new Store(checkOptions(location, options));
  return {
    name: "nats",
    capabilities: { push: true, transactions: false },
    open: () => store.open(),
    close: () => store.close(),
    ...storesOver(store.run, () => store.findings()),
    migrations: { state: () => store.formatState(), apply: () => store.applyFormat() },
    travels: true,
    inOrder: true,
    watch: (onSignal) => store.watch(onSignal),
  };
}

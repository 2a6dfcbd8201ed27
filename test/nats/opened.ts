// The way to a server and the stream, opened without the store on top of them: what a location and options come to.
import { connect, type Way } from "../../src/engines/nats/connecting.ts";
import type { Location } from "../../src/engines/nats/location.ts";
import { checkOptions, type NatsOptions } from "../../src/engines/nats/options.ts";
import { type Provisioned, provision } from "../../src/engines/nats/provisioning.ts";

/** Connects, and makes the stream ready. Close the way. */
export async function opened(location: Location, options: NatsOptions = {}): Promise<Provisioned & { way: Way }> {
  const settings = checkOptions(location, options);
  const way = await connect(settings);
  try {
    return { way, ...(await provision(way, settings)) };
  } catch (error) {
    await way.close();
    throw error;
  }
}

/** What opening throws, or what it came to. */
export async function outcome(location: Location, options: NatsOptions = {}): Promise<unknown> {
  try {
    const { way, ...provisioned } = await opened(location, options);
    await way.close();
    return provisioned;
  } catch (error) {
    return error;
  }
}

/** All texts of an error and its causes, to look for what must not be in them. */
export function textsOf(error: unknown): string {
  const texts: string[] = [];
  for (let one = error; one instanceof Error; one = one.cause) {
    texts.push(JSON.stringify(one, Object.getOwnPropertyNames(one)), String(one));
  }
  return texts.join("\n");
}

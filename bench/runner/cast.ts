// The processes of one run, and the stores on a server that they are on: started when asked for, ended together.
import { Actor, childFile } from "../process/actor.ts";
import type { Plant } from "../process/desk.ts";
import { createStore, type ServerSettings, type Store } from "./server.ts";
import type { Config, Subject } from "./subject.ts";

export interface CastOptions {
  readonly subject: Subject;
  /** Path of the subject's file. */
  readonly file: string;
  readonly config: Config;
  readonly folder: string;
  readonly plant: Plant | undefined;
  /** Jobs that a worker process drains elsewhere before anything is measured. */
  readonly warmJobs: number;
  readonly servers: ServerSettings;
  /** What a source file is run as. */
  fileOf(source: string): string;
  /** Flags of Node for a process of this name. */
  flagsOf(name: string): readonly string[];
}

export class Cast {
  readonly #options: CastOptions;
  readonly #actors = new Map<string, Promise<Actor>>();
  readonly #stores: Promise<Store>[] = [];
  #store: Promise<Store> | undefined;

  constructor(options: CastOptions) {
    this.#options = options;
  }

  /** The store of the run; undefined where the subject needs no server. */
  store(): Promise<Store> | undefined {
    this.#store ??= this.#openStore();
    return this.#store;
  }

  /** The process of this name. */
  actor(name: string): Promise<Actor> {
    const actor = this.#actors.get(name) ?? this.#start(name);
    this.#actors.set(name, actor);
    return actor;
  }

  /** Ends all processes; one that is asked for afterwards is a new one. */
  async end(): Promise<void> {
    const actors = [...this.#actors.values()];
    this.#actors.clear();
    await Promise.allSettled(actors.map(async (actor) => await (await actor).end()));
  }

  /** Ends all processes and removes their stores. */
  async close(): Promise<void> {
    await this.end();
    await Promise.allSettled(this.#stores.map(async (store) => await (await store).drop()));
  }

  #openStore(): Promise<Store> | undefined {
    const { subject, servers } = this.#options;
    if (subject.server === undefined) return undefined;
    const store = createStore(subject.server, servers);
    this.#stores.push(store);
    return store;
  }

  async #start(name: string): Promise<Actor> {
    const { file, config, folder, plant, warmJobs, fileOf, flagsOf } = this.#options;
    const store = await this.store();
    const warms = warmJobs > 0 && name.startsWith("worker");
    const warmStore = warms ? await this.#openStore() : undefined;
    const role = {
      ...{ file: fileOf(file), config, folder, plant, warmJobs: warms ? warmJobs : 0 },
      ...(store === undefined ? {} : { url: store.url }),
      ...(warmStore === undefined ? {} : { warmUrl: warmStore.url }),
    };
    return await Actor.start(role, fileOf(childFile), flagsOf(name));
  }
}

// Test settings for every suite under test/: the sources are what is tested, in child processes, without retries.
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Not in node_modules: copies of the project that share one node_modules must not share what was compiled from them.
  cacheDir: ".reports/cache",
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source", "module-sync", "node"], externalConditions: ["source"] } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/servers/broker.ts"],
    pool: "forks",
    maxWorkers: 2,
    execArgv: ["--conditions=source"],
    fsModuleCache: false,
    retry: 0,
    passWithNoTests: false,
    testTimeout: 15_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    unstubEnvs: true,
    unstubGlobals: true,
  },
});

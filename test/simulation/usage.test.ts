// The simulation's own command line: what it refuses, it explains.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

function simulation(...args: readonly string[]) {
  return spawnSync(process.execPath, ["--conditions=source", "scripts/proof/simulation.ts", ...args], {
    cwd: root,
    encoding: "utf8",
  });
}

describe("scripts/proof/simulation.ts", () => {
  it("prints its usage with --help", () => {
    const { status, stdout } = simulation("--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Usage: .*simulation\.ts\n(?:.*\n)* *--seed 42/);
  });

  it.each([
    [["--seed", "abc"], "--seed must be a whole number above 0"],
    [["--seed", "1-9"], "--seed must be a whole number above 0"],
    [["--seeds", "9-1"], "--seeds must be like 1-1000"],
    [["--engine", "abacus"], "--engine must be memory or sqlite"],
    [["--sed", "1"], "--sed"],
  ])("refuses %j with its usage, without a stack", (args, why) => {
    const { status, stderr } = simulation(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(why);
    expect(stderr).toContain("Usage: ");
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

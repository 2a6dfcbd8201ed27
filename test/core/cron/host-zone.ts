/** Prints the host's zone, then ticks of many rules: run under several TZ values by the properties. */

import { parseCron } from "../../../src/core/cron/grammar.ts";
import { nextCron } from "../../../src/core/cron/next.ts";
import { InvalidCronError } from "../../../src/core/errors.ts";
import { randomExpression, randomFrom, randomInstant, randomZone } from "./random.ts";

console.log(new Date(0).toString());
const random = randomFrom(6);
for (let i = 0; i < 400; i++) {
  const zone = randomZone(random);
  const expression = randomExpression(random);
  const after = randomInstant(random, zone);
  try {
    console.log(expression, zone.id, nextCron(parseCron(expression), zone, after));
  } catch (error) {
    if (!(error instanceof InvalidCronError)) throw error;
  }
}

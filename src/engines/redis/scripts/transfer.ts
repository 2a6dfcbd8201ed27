// transfer.write: what another store held, stored as it was, in one step. Nobody is told, no event is written.
import { script } from "../script.ts";
import { placing } from "./commit.ts";
import { eventTrim } from "./events.ts";
import { basis, events, finished, lanes, limits, signals, waiting } from "./prelude.ts";
import { restoring, shares } from "./transfer-jobs.ts";
import { history, settings } from "./transfer-settings.ts";

const guard = `
if ARGV[2] == '1' then
  local stored = call('HGET', P .. 'records', ARGV[3]) or ''
  if string.match(stored, '^%d+|%d*|(.*)$') ~= ARGV[4] then return 'lost' end
end
local plan = cjson.decode(ARGV[5])`;

const removing = `
local removers = {
  queue = function(name)
    call('HDEL', P .. 'queues', name)
    call('HDEL', P .. 'windows', name)
    tidyQueue(name)
  end,
  tenant = function(id)
    call('HDEL', P .. 'tenants', id)
    call('SREM', P .. 'limited', id)
    call('SREM', P .. 'guarded', id)
    call('HDEL', P .. 't:' .. id, 'window', 'passedOver')
    tidyTenant(id)
  end,
  job = dropJob,
  lane = function(queue, tenant)
    flush()
    removeLane(queue, tenant)
  end,
  idempotency = function(tenant, key)
    call('HDEL', P .. 'idempotency', tenant .. '\\n' .. key)
    call('ZREM', P .. 'idempotencyEnds', tenant .. '\\n' .. key)
  end,
  record = function(key)
    call('HDEL', P .. 'records', key)
    call('ZREM', P .. 'recordNames', key)
    call('ZREM', P .. 'recordEnds', key)
  end,
  event = removeEvent,
  eventSequence = function() end,
  schedule = function(tenant, id)
    removeSchedule(tenant, tenant .. '\\n' .. id)
    tidyTenant(tenant)
  end,
}`;

/**
 * ARGV: now, "1" with a guard, its record's key and value, the plan as JSON (transfer-plan.ts makes it), and the texts that
 * it names by their place. @returns "written", or "lost": the guard's record is not as it says
 */
export const transferWriteScript = script(
  "transfer.write",
  "Removes and stores what is named, exactly and all of it, as long as the guard holds.",
  basis,
  events,
  eventTrim,
  signals,
  lanes,
  limits,
  waiting,
  finished,
  guard,
  placing,
  restoring,
  settings,
  shares,
  history,
  removing,
  `
for _, one in ipairs(plan.remove) do removers[one[1]](one[2], one[3]) end
for _, one in ipairs(plan.queues) do
  call('HSET', P .. 'queues', one.n, ARGV[one.D])
  saveWindow('windows', one.n, ARGV[one.W])
  call('ZADD', P .. 'queueNames', 0, one.n)
end
for _, one in ipairs(plan.tenants) do writeTenant(one) end
for _, one in ipairs(plan.jobs) do writeJob(one) end
flush()
for _, one in ipairs(plan.lanes) do writeLane(one) end
for queue in pairs(sharing) do writeGreatest(queue) end
for _, one in ipairs(plan.used) do
  call('HSET', P .. 'idempotency', one.n, ARGV[one.D])
  call('ZADD', P .. 'idempotencyEnds', text(one.e), one.n)
end
for _, one in ipairs(plan.records) do
  call('HSET', P .. 'records', one.n, ARGV[one.D])
  call('ZADD', P .. 'recordNames', 0, one.n)
  if one.e then call('ZADD', P .. 'recordEnds', text(one.e), one.n) else call('ZREM', P .. 'recordEnds', one.n) end
end
writeEvents(plan.events)
if #plan.events > 0 or plan.lastId then writeSequence(plan.lastId) end
for _, one in ipairs(plan.schedules) do writeSchedule(one) end
flush()
return 'written'`,
);

/** ARGV: now. */
export const transferNowScript = script(
  "transfer.now",
  "The store's time, which tells what has expired.",
  basis,
  "return text(now)",
);

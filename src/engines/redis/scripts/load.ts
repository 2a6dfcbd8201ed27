// steps.load: everything that a step names, as it is at one moment.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/**
 * ARGV: now, and the names as JSON: jobs, replacedBy, slots, some (incarnations of which a few jobs are enough), enough, all
 * (incarnations), schedules, tenants, counts (tenants), used, fired, queues. Answers now, and a list for each of these.
 */
export const loadScript = script(
  "steps.load",
  "Reads what a step is about to decide upon; the commit compares it with what is stored then.",
  basis,
  `
local names = cjson.decode(ARGV[2])
local function jobOf(id)
  local seq = call('HGET', P .. 'ids', id)
  if not seq then return false end
  return { seq, call('HGET', P .. 'jobs', seq), call('HGET', P .. 'live', seq) }
end
local function each(list, read)
  local values = {}
  for i, name in ipairs(list) do values[i] = read(name) or false end
  return values
end
local function unfinished(incarnation, last)
  local members = call('ZRANGE', P .. 'u:' .. incarnation, 0, last, 'WITHSCORES')
  local list = {}
  for i = 1, #members, 2 do
    list[i] = members[i]
    list[i + 1] = call('HEXISTS', P .. 'live', text(tonumber(members[i + 1])))
  end
  return list
end
return {
  text(now),
  each(names.jobs, jobOf),
  each(names.replacedBy, function(by)
    local id = call('HGET', P .. 'replaced', by)
    return id and { id, jobOf(id) }
  end),
  each(names.slots, function(name)
    local slots = call('HGET', P .. 'slots', name)
    if not slots then return false end
    local current, successor = string.match(slots, '^([^\\t]*)\\t(.*)$')
    return { slots, current and jobOf(current) or false, successor and jobOf(successor) or false }
  end),
  each(names.some, function(incarnation) return unfinished(incarnation, names.enough - 1) end),
  each(names.all, function(incarnation) return unfinished(incarnation, -1) end),
  each(names.schedules, function(name) return call('HGET', P .. 'schedules', name) end),
  each(names.tenants, function(id) return call('HGET', P .. 'tenants', id) end),
  each(names.counts, function(id) return call('HMGET', P .. 't:' .. id, 'unfinished', 'schedules') end),
  each(names.used, function(name) return call('HGET', P .. 'idempotency', name) end),
  each(names.fired, function(job) return call('HGET', P .. 'fired', job) end),
  each(names.queues, function(queue) return call('HGET', P .. 'queues', queue) end),
}`,
);

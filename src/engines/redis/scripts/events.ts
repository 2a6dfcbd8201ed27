// Scripts of the audit log: a stream, with the ids of events by tenant, schedule and job beside it.
import { defaults } from "../../../core/defaults.ts";
import { script } from "../script.ts";
import { basis, events } from "./prelude.ts";

/** `dropEvent(entry, tenant, schedule, job)`: an entry goes with all that leads to it; 1 if it was there. */
const dropping = `
local function dropEvent(entry, tenant, schedule, job)
  local id = string.match(entry, '^%d+')
  if tenant ~= '' then call('ZREM', P .. 'e:t' .. tenant, id) end
  if schedule ~= '' then call('ZREM', P .. 'e:s' .. tenant .. '\\n' .. schedule, id) end
  if job ~= '' then
    call('ZREM', P .. 'e:j' .. job, id)
    if call('HGET', P .. 'fired', job) == id then call('HDEL', P .. 'fired', job) end
  end
  return call('XDEL', P .. 'events', entry)
end`;

/**
 * `trimEvents(appended, ageMs)`, for the end of a script that has appended so many: with every 500th event up to twice as
 * many go that are past their age, so that the log stays bounded where no janitor runs. Needs `basis`.
 */
export const eventTrim = `${dropping}
local function trimEvents(appended, ageMs)
  local last = tonumber(call('HGET', P .. 'meta', 'event')) or 0
  local every = ${defaults.eventTrimEvery}
  if appended == 0 or math.floor(last / every) == math.floor((last - appended) / every) then return end
  local function name(value) return type(value) == 'string' and value or '' end
  local left = 2 * every
  while left > 0 do
    local entries = call('XRANGE', P .. 'events', '-', '+', 'COUNT', 50)
    if #entries == 0 then return end
    for _, entry in ipairs(entries) do
      -- What cannot be read shows nowhere, and goes with its neighbours.
      local read, event = pcall(cjson.decode, entry[2][2])
      if not read or type(event) ~= 'table' then event = {} end
      if type(event.at) == 'number' and event.at >= now - ageMs then return end
      dropEvent(entry[1], name(event.tenant), name(event.schedule), name(event.job))
      left = left - 1
    end
  end
end`;

/** ARGV: now, the log's age in ms, then JSON, tenant, schedule, job, "1" for a fired tick of each event. */
export const appendEvents = script(
  "events.append",
  "Events get the next ids in their order.",
  basis,
  events,
  eventTrim,
  `
local appended = 0
for at = 3, #ARGV, 5 do
  append(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4] == '1')
  appended = appended + 1
end
trimEvents(appended, tonumber(ARGV[2]))
`,
);

/** ARGV: now, name of the index, least and greatest id, "newest" or "oldest", ids at most. @returns where it ended (or nothing at the end), and entries */
export const listEvents = script(
  "events.list",
  "The next events of one tenant, schedule or job; an id whose event is gone has no entry.",
  basis,
  `
local ids
local most = tonumber(ARGV[6])
if ARGV[5] == 'newest' then
  ids = call('ZRANGE', P .. ARGV[2], ARGV[4], ARGV[3], 'BYSCORE', 'REV', 'LIMIT', 0, most)
else
  ids = call('ZRANGE', P .. ARGV[2], ARGV[3], ARGV[4], 'BYSCORE', 'LIMIT', 0, most)
end
local entries = {}
for _, id in ipairs(ids) do
  if string.find(id, '^%d+$') then
    for _, entry in ipairs(call('XRANGE', P .. 'events', id, id)) do entries[#entries + 1] = entry end
  end
end
return { #ids == most and call('ZSCORE', P .. ARGV[2], ids[most]) or false, entries }
`,
);

/** ARGV: now, where to begin as XRANGE has it, entries at most. @returns the time and the entries */
export const readOldestEvents = script(
  "events.oldest",
  "The next events from the beginning of the log, with the time they are looked at.",
  basis,
  `
return { now, call('XRANGE', P .. 'events', ARGV[2], '+', 'COUNT', ARGV[3]) }
`,
);

/**
 * ARGV: now, then JSON, tenant, schedule, job, "" of the event that tells of it (all "" for none), then entry, tenant,
 * schedule, job of each event that goes. @returns how many went, or "moved"
 */
export const purgeEvents = script(
  "events.purge",
  "Events go with all that leads to them; where the log is told of it all that are named go, or none.",
  basis,
  events,
  dropping,
  `
local isTold = ARGV[2] ~= ''
for at = 7, isTold and #ARGV or 0, 4 do
  if #call('XRANGE', P .. 'events', ARGV[at], ARGV[at]) == 0 then return 'moved' end
end
local gone = 0
for at = 7, #ARGV, 4 do gone = gone + dropEvent(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) end
if isTold then append(ARGV[2], ARGV[3], ARGV[4], ARGV[5], false) end
return gone
`,
);

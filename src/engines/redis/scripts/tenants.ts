// Scripts of tenants: `tenants` holds records as `<rev>|<JSON>`, `t:<tenant>` what there is of each.
import { script } from "../script.ts";
import { eventTrim } from "./events.ts";
import { basis, events, lanes, limits, signals, waiting } from "./prelude.ts";

/** ARGV: now, ids. @returns the time, and each tenant's text */
export const getTenants = script(
  "tenants.get",
  "The records of tenants, with the time they are looked at.",
  basis,
  `
local ids = {}
for at = 2, #ARGV do ids[at - 1] = ARGV[at] end
return { now, getMany(P .. 'tenants', ids) }
`,
);

/**
 * ARGV: now, age of the log, how many tenants, of each its id and its text as it was read ("" for none); then of each change
 * its tenant's id, the new JSON ("" where it says nothing new), weight, "1" where its claims are limited, "1" where it has
 * guardrails, and its event's parts. @returns "moved" where a record is not as it was read
 */
export const putTenants = script(
  "tenants.put",
  "All records are saved with their events if they are as they were read, or none is; weights reach the lanes there are.",
  basis,
  events,
  eventTrim,
  signals,
  lanes,
  limits,
  waiting,
  `
local function lanesOf(tenant) return call('SMEMBERS', P .. 'lanesOf:' .. tenant) end
-- Lanes that were passed over stand where those that fill do: they were held back meanwhile, and save nothing up.
local function reenter(tenant)
  if not isPassedOver(tenant) then return end
  for _, lane in ipairs(lanesOf(tenant)) do
    local queue = nameOfLane(lane)
    if queue then
      local pass = math.max(tonumber(call('HGET', P .. 'l:' .. lane, 'pass')) or 0, enteringPass(queue))
      savePass(queue, lane, pass)
      call('ZADD', P .. 's:' .. queue, 'XX', text(pass), lane)
    end
  end
end
local function member(set, tenant, isIn) call(isIn == '1' and 'SADD' or 'SREM', P .. set, tenant) end
local function save(tenant, json, limited)
  call('HSET', P .. 'tenants', tenant, text(1 + call('HINCRBY', P .. 'meta', 'rev', 1)) .. '|' .. json)
  call('ZADD', P .. 'tenantNames', 0, tenant)
  tenantRecords, limitedTenants = {}, nil
  -- A rate that is lifted forgets what it has counted; another one counts what is within its own period.
  local record, window = tenantRecord(tenant), call('HGET', P .. 't:' .. tenant, 'window')
  if window and record and type(record.rate) == 'table' then
    local _, live = rateAllowance(record.rate, readWindow(window))
    call('HSET', P .. 't:' .. tenant, 'window', windowText(live))
  elseif window then
    call('HDEL', P .. 't:' .. tenant, 'window')
  end
  if limited == '1' and tenantRoom(tenant) == 0 then
    call('HSET', P .. 't:' .. tenant, 'passedOver', '1')
  else
    call('HDEL', P .. 't:' .. tenant, 'passedOver')
  end
end
-- Leases that waited for its rate, or that an idle worker thinks do, are recovered at another time now.
local function wakeClaimed(tenant)
  for _, lane in ipairs(lanesOf(tenant)) do
    local active = tonumber(call('HGET', P .. 'l:' .. lane, 'active')) or 0
    local queue = nameOfLane(lane)
    if queue and (active > 0 or call('EXISTS', P .. 'r:' .. lane) == 1) then wake(queue, now) end
  end
end

local ends = 3 + 2 * tonumber(ARGV[3])
for at = 4, ends, 2 do
  if (call('HGET', P .. 'tenants', ARGV[at]) or '') ~= ARGV[at + 1] then return 'moved' end
end
local appended = 0
for at = ends + 1, #ARGV, 10 do
  local tenant, json, weight, limited, guarded = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if json ~= '' then reenter(tenant) end
  member('limited', tenant, limited)
  member('guarded', tenant, guarded)
  for _, lane in ipairs(lanesOf(tenant)) do call('HSET', P .. 'l:' .. lane, 'weight', weight) end
  if json ~= '' then
    save(tenant, json, limited)
    wakeClaimed(tenant)
  end
  if ARGV[at + 5] ~= '' then
    append(ARGV[at + 5], ARGV[at + 6], ARGV[at + 7], ARGV[at + 8], false)
    appended = appended + 1
  end
end
trimEvents(appended, tonumber(ARGV[2]))
send()
return 'put'
`,
);

/**
 * ARGV: now, least id as ZRANGE BYLEX has it, beginning of the ids, ids at most. @returns the time, the last id that was
 * looked at (or nothing at the end), and per tenant id, text, active, unfinished, ticking schedules, window
 */
export const listTenants = script(
  "tenants.list",
  "The next tenants by id that have a record, a lane or a schedule, with what they have at this moment.",
  basis,
  `
local function isThere(tenant, record)
  if record or call('EXISTS', P .. 'lanesOf:' .. tenant) == 1 then return true end
  local least, beyond = '[' .. tenant .. '\\n', '(' .. tenant .. '\\11'
  return #call('ZRANGE', P .. 'scheduleNames', least, beyond, 'BYLEX', 'LIMIT', 0, 1) > 0
end
local ids = call('ZRANGE', P .. 'tenantNames', ARGV[2], '(' .. ARGV[3] .. '\\255', 'BYLEX', 'LIMIT', 0, ARGV[4])
local records = getMany(P .. 'tenants', ids)
local found = {}
for at, id in ipairs(ids) do
  if isThere(id, records[at]) then
    local has = call('HMGET', P .. 't:' .. id, 'active', 'unfinished', 'schedules', 'window')
    found[#found + 1] = { id, records[at], has[1], has[2], has[3], has[4] }
  end
end
return { now, #ids == tonumber(ARGV[4]) and ids[#ids] or false, found }
`,
);

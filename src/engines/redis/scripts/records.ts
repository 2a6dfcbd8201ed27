// Scripts of small records: `records` holds `<revision>|<expiresAt or "">|<value>`, `recordNames` their order.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/** ARGV: now, keys. @returns the time, and each key's text */
export const getRecords = script(
  "records.get",
  "What is stored under keys, with the time it is looked at.",
  basis,
  `
local keys = {}
for at = 2, #ARGV do keys[at - 1] = ARGV[at] end
return { now, getMany(P .. 'records', keys) }
`,
);

/** ARGV: now, then key, expected, ttl or "", value of each. @returns "conflict", or `<revision>|<expiresAt or "">` of each */
export const putRecords = script(
  "records.put",
  "Each record is saved if it is as expected; what has expired or cannot be read is absent.",
  basis,
  `
local function save(key, expected, ttl, value)
  local revision, ends = string.match(call('HGET', P .. 'records', key) or '', '^(%d+)|(%d*)|')
  if revision and ends ~= '' and tonumber(ends) <= now then revision = nil end
  if expected ~= 'any' and expected ~= (revision or 'absent') then return 'conflict' end
  local head = text((tonumber(revision) or 0) + 1) .. '|'
  call('ZADD', P .. 'recordNames', 0, key)
  if ttl == '' then
    call('ZREM', P .. 'recordEnds', key)
  else
    ends = text(now + tonumber(ttl))
    head = head .. ends
    call('ZADD', P .. 'recordEnds', ends, key)
  end
  call('HSET', P .. 'records', key, head .. '|' .. value)
  if ttl ~= '' and tonumber(ttl) <= 0 then return 'conflict' end
  return head
end
local answers = {}
for at = 2, #ARGV, 4 do answers[#answers + 1] = save(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) end
return answers
`,
);

/** ARGV: now, least key as ZRANGE BYLEX has it, prefix, keys at most. @returns the time, keys and their texts */
export const listRecords = script(
  "records.list",
  "The next records whose keys begin so, in the order of their keys.",
  basis,
  `
local keys = call('ZRANGE', P .. 'recordNames', ARGV[2], '(' .. ARGV[3] .. '\\255', 'BYLEX', 'LIMIT', 0, ARGV[4])
return { now, keys, getMany(P .. 'records', keys) }
`,
);

/** ARGV: now, keys. */
export const removeRecords = script(
  "records.remove",
  "Records are gone, those that there were.",
  basis,
  `
for at = 2, #ARGV do
  call('HDEL', P .. 'records', ARGV[at])
  call('ZREM', P .. 'recordNames', ARGV[at])
  call('ZREM', P .. 'recordEnds', ARGV[at])
end
`,
);

/** ARGV: now, records at most. @returns how many went */
export const purgeRecords = script(
  "records.purge",
  "Records whose time is over go, so many at most.",
  basis,
  `
local keys = call('ZRANGE', P .. 'recordEnds', '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, key in ipairs(keys) do
  call('HDEL', P .. 'records', key)
  call('ZREM', P .. 'recordNames', key)
  call('ZREM', P .. 'recordEnds', key)
end
return #keys
`,
);

"""The scripts that run in Redis, each in one step: a reader sees all of it or nothing."""

from __future__ import annotations

# A lease is held while its key exists. It is also held after the key expired, until another process takes
# one: Redis's clock may jump, and the polling process may be stopped for a while. The fence shows this,
# because every new lease and every release raises it.
HOLDS = """
local function holds(leader, fence, lease)
  local said = redis.call('GET', leader)
  if said then return said == lease end
  return redis.call('GET', fence) == string.match(lease, '^%d+')
end
"""

# The facts about the polling process for readers, by Redis's clock. They outlive the lease.
WROTE = """
local function wrote(poller, lease)
  local time = redis.call('TIME')
  local ms = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
  redis.call('HSET', poller, 'lease', lease, 'wrote_at', ms)
end
"""

# The last id of a stream, as two numbers, and its length.
ENDING = """
local function ending(key)
  local first, second, length = 0, 0, 0
  if redis.call('EXISTS', key) == 1 then
    local info = redis.call('XINFO', 'STREAM', key)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        local one, other = string.match(info[i + 1], '^(%d+)-(%d+)$')
        first, second = tonumber(one), tonumber(other)
      elseif info[i] == 'length' then
        length = info[i + 1]
      end
    end
  end
  return first, second, length
end
"""

# Checks everything first, then writes: neither MULTI nor Lua rolls back.
# KEYS: stream, latest, leader, fence, ledger, documents, documents:about, memory, answers, poller, then one
# history key for each symbol, then one key for each of `outcomes`. ARGV: the JSON object that Store.write
# builds, then the bytes of each of its `documents`. Returns the cursor of the last publication.
# A server's replication id is new after each promotion and each start. Then readers may have seen cursors
# that this server never got. It is noted with each publication, in the hash `poller`.
WRITE = (
    HOLDS
    + ENDING
    + """
local order = cjson.decode(ARGV[1])
if not holds(KEYS[3], KEYS[4], order.lease) then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
local epoch, sequence, length = ending(KEYS[1])
local behind = epoch < order.seen[1] or (epoch == order.seen[1] and sequence < order.seen[2])
  or (length == 0 and order.seen[1] > 0)
if behind and order.mode == 'changes' then
  return redis.error_reply('BEHIND the stream ends at ' .. epoch .. '-' .. sequence)
end
local rewrite = order.anew and order.mode ~= 'changes'
local written, _, events = ending(KEYS[5])
if not rewrite and order.after > 0 and (written < order.after or events == 0) then
  return redis.error_reply('BEHIND the ledger ends at ' .. written .. ' and has ' .. events .. ' events')
end
local here = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
local moved = length > 0 and not order.keeps and redis.call('HGET', KEYS[10], 'server') ~= here
if moved and #order.quotes > 0 and order.mode == 'changes' then
  return redis.error_reply('BEHIND another server had the stream, and perhaps more of it')
end
local anew = behind or moved or order.mode == 'reset' or length == 0
local texts, symbols = {}, {}
for _, row in ipairs(order.quotes) do
  local known = redis.call('HGET', KEYS[2], row[1])
  local said = known and string.match(known, '^%S+ (.*)$')
  if anew or said ~= row[2] then
    texts[#texts + 1] = row[2]
    symbols[#symbols + 1] = row[1]
  end
end
local histories = #KEYS - #order.outcomes
if order.mode == 'reset' then
  for i = 11, histories do redis.call('DEL', KEYS[i]) end
  redis.call('DEL', KEYS[2])
end
if #texts > 0 then
  if anew then
    epoch = math.max(order.now, order.seen[1] + 1, epoch + 1)
    sequence = 0
  end
  sequence = sequence + 1
  local id = string.format('%.0f-%.0f', epoch, sequence)
  local list = '[' .. table.concat(texts, ',') .. ']'
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', order.length, id, 'quotes', list)
  for i, symbol in ipairs(symbols) do
    redis.call('HSET', KEYS[2], symbol, id .. ' ' .. texts[i])
  end
  redis.call('HSET', KEYS[10], 'server', here)
end
local function forget(key, day, source, but)
  local prefix = source .. '|'
  for _, known in ipairs(redis.call('ZRANGEBYSCORE', key, day, day)) do
    if known ~= but and string.sub(known, 1, #prefix) == prefix then redis.call('ZREM', key, known) end
  end
end
local touched = {}
for _, row in ipairs(order.gone) do forget(KEYS[10 + row[1]], row[2], row[3], nil) end
for _, row in ipairs(order.fixings) do
  local key = KEYS[10 + row[1]]
  forget(key, row[2], row[3], row[4])
  redis.call('ZADD', key, row[2], row[4])
  touched[key] = true
end
for i = 11, histories do
  local newest = touched[KEYS[i]] and redis.call('ZREVRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]
  if newest then redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. (newest - order.days)) end
end
if rewrite then
  redis.call('DEL', KEYS[5], KEYS[6], KEYS[7])
  written = 0
end
for _, row in ipairs(order.entries) do
  if row[1] > written then
    redis.call('XADD', KEYS[5], string.format('%.0f-0', row[1]), 'e', row[2])
  end
end
for _, number in ipairs(order.dropped) do redis.call('XDEL', KEYS[5], string.format('%.0f-0', number)) end
for i, row in ipairs(order.documents) do
  redis.call('HSETNX', KEYS[6], row[1], ARGV[1 + i])
  redis.call('HSET', KEYS[7], row[1], row[2])
end
for _, name in ipairs(order.forgotten) do
  redis.call('HDEL', KEYS[6], name)
  redis.call('HDEL', KEYS[7], name)
end
for i, outcome in ipairs(order.outcomes) do redis.call('SET', KEYS[histories + i], outcome) end
if order.took_over then redis.call('DEL', KEYS[8]) end
local answered, place = ending(KEYS[9])
for _, row in ipairs(order.answers) do
  local first, second = string.match(row[1], '^(%d+)-(%d+)$')
  first, second = tonumber(first), tonumber(second)
  if first > answered or (first == answered and second > place) then
    redis.call('XADD', KEYS[9], 'MAXLEN', '~', order.answers_kept, row[1], 'text', row[2], 'done', row[3])
    answered, place = first, second
  end
end
redis.call('HSET', KEYS[10], 'partial', order.partial and 1 or 0)
return string.format('%.0f-%.0f', epoch, sequence)
"""
)

# KEYS: ledger, poller, stream, then any others. ARGV: the form of each of these. Returns the last id of the
# ledger, its length, whether it is partial, the epoch, and the contents of the others.
MOMENT = (
    ENDING
    + """
local first, second, length = ending(KEYS[1])
local found = {}
for i, form in ipairs(ARGV) do
  local key = KEYS[3 + i]
  if form == 'stream' then
    found[i] = redis.call('XRANGE', key, '-', '+')
  elseif form == 'hash' then
    found[i] = redis.call('HGETALL', key)
  elseif form == 'sorted' then
    found[i] = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  else
    found[i] = redis.call('GET', key)
  end
end
local partial = redis.call('HGET', KEYS[2], 'partial') or '0'
return {string.format('%.0f-%.0f', first, second), length, partial, (ending(KEYS[3])), found}
"""
)

# KEYS: leader, fence, poller. ARGV: owner, milliseconds, now in ms, force, patient. Returns the lease, nil if
# another process has it, or '' if it never was taken here and the caller is patient.
# The fence only ever grows, even over a flush, because it is never below the clock. A lease that lasts longer
# than possible was taken before Redis's clock was set back: its holder renews it, or it runs out.
ACQUIRE = (
    WROTE
    + """
local held = redis.call('GET', KEYS[1])
if held and ARGV[4] ~= '1' then
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return nil
end
local fence = redis.call('GET', KEYS[2])
if not fence and ARGV[5] == '1' then return '' end
local token = math.max(tonumber(ARGV[3]), tonumber(fence or '0') + 1)
local lease = string.format('%.0f', token) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[2], string.format('%.0f', token))
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
wrote(KEYS[3], lease)
return lease
"""
)

# KEYS: leader, stream, fence, poller. ARGV: lease, ms, holds. Returns the stream's last id ('': none).
RENEW = (
    HOLDS
    + WROTE
    + """
if not holds(KEYS[1], KEYS[3], ARGV[1]) then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
wrote(KEYS[4], ARGV[1])
redis.call('HSET', KEYS[4], 'holds', ARGV[3])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return last[1] and last[1][1] or ''
"""
)

# KEYS: leader, fence. ARGV: lease.
RELEASE = (
    HOLDS
    + """
if not holds(KEYS[1], KEYS[2], ARGV[1]) then return end
redis.call('INCR', KEYS[2])
redis.call('DEL', KEYS[1])
"""
)

# Checks everything first, then renames. May be repeated: the second time it finds its own mark.
# KEYS: leader, fence, poller, then the keys of a restore, then the same keys as staged. ARGV: lease.
COMMIT = (
    HOLDS
    + """
if redis.call('HGET', KEYS[3], 'restored') == ARGV[1] then return end
if not holds(KEYS[1], KEYS[2], ARGV[1]) then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
local count = (#KEYS - 3) / 2
for i = 4, 3 + count do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    return redis.error_reply('TAKEN another process wrote ' .. KEYS[i])
  end
  if redis.call('EXISTS', KEYS[count + i]) == 0 then
    return redis.error_reply('GONE another process deleted ' .. KEYS[count + i])
  end
end
for i = 4, 3 + count do
  redis.call('PERSIST', KEYS[count + i])
  redis.call('RENAME', KEYS[count + i], KEYS[i])
end
local here = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
redis.call('HSET', KEYS[3], 'server', here, 'restored', ARGV[1])
"""
)

# KEYS: leader, fence, version. ARGV: lease, version.
NOTE_VERSION = (
    HOLDS
    + """
if not holds(KEYS[1], KEYS[2], ARGV[1]) then
  return redis.error_reply('LEASELOST another poller holds the lease')
end
redis.call('SET', KEYS[3], ARGV[2])
"""
)

# KEYS: answers, orders. Returns the orders after the last one with an answer. One step, because it runs every
# two seconds.
ORDERS = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return redis.call('XRANGE', KEYS[2], last[1] and '(' .. last[1][1] or '-', '+', 'COUNT', 100)
"""

# KEYS: scripts. ARGV: fingerprint, script, now in ms, how many are kept, for how many ms.
# A field is `<ms of the last start> <script>`; the newest are kept, and this one in any case.
KEEP_SCRIPT = """
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3] .. ' ' .. ARGV[2])
local others = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= ARGV[1] then
    local said = tonumber(string.match(redis.call('HGET', KEYS[1], name), '^(%d+) ')) or 0
    others[#others + 1] = {name, said}
  end
end
table.sort(others, function(one, other)
  if one[2] ~= other[2] then return one[2] > other[2] end
  return one[1] > other[1]
end)
for place, each in ipairs(others) do
  if place >= tonumber(ARGV[4]) or each[2] < tonumber(ARGV[3]) - tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], each[1])
  end
end
"""

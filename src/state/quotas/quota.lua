-- One step of a member's quota in Redis: the algorithm of crates/pool/src/bucket.rs, where it is explained.
--
-- KEYS  1 the numbers and the size of every lease ("l:ID"), 2 leases by expiry, 3 run-out leases by when they are forgotten,
--       and with "d:" before them those from before the quota began that were charged
-- ARGV  1 step, 2 now, 3 ticks of the window, 4 milliseconds a tick, 5 memory of leases, 6 limit of amounts, then its own
-- Every answer begins with a word, then max, balance, remainder, as_of after the step.
local numbers, held, past = KEYS[1], KEYS[2], KEYS[3]
local step, now = ARGV[1], tonumber(ARGV[2])
local window, tick = tonumber(ARGV[3]), tonumber(ARGV[4])
local memory, limit = tonumber(ARGV[5]), tonumber(ARGV[6])

local function text(number) return string.format('%.0f', number) end
local function whole(x, y) return (x - math.fmod(x, y)) / y end
local function bounded(x) return math.max(-limit, math.min(limit, x)) end
local function amount(id) return tonumber(redis.call('HGET', numbers, 'l:' .. id) or '0') end

if step == 'begin' then
    if redis.call('EXISTS', numbers) == 1 then return { 'known' } end
    redis.call('HSET', numbers, 'max', ARGV[7], 'balance', ARGV[8], 'remainder', ARGV[9], 'as_of', ARGV[10],
        'terms', ARGV[11], 'version', '0', 'sharing', ARGV[12], 'begun', ARGV[13])
    -- What runs was reserved in a quota that is lost; nobody may reserve before that is set aside again.
    local left = tonumber(ARGV[8])
    for i = 14, #ARGV, 3 do
        left = bounded(left - tonumber(ARGV[i + 1]))
        redis.call('HSET', numbers, 'l:' .. ARGV[i], ARGV[i + 1])
        redis.call('ZADD', held, ARGV[i + 2], ARGV[i])
    end
    redis.call('HSET', numbers, 'balance', text(left))
    return { 'done', ARGV[7], text(left), ARGV[9], ARGV[10] }
end

local stored = redis.call('HMGET', numbers, 'max', 'balance', 'remainder', 'as_of', 'terms', 'version', 'begun')
if not stored[1] then return { 'unknown' } end
local max, balance, remainder, as_of = tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3]), tonumber(stored[4])

local function answer(word, ...) return { word, text(max), text(balance), text(remainder), text(as_of), ... } end

if step == 'read' then
    local more = redis.call('HMGET', numbers, 'sharing', 'pending', 'moved')
    local leases = redis.call('ZRANGE', held, 0, -1, 'WITHSCORES')
    local listed = {}
    for i = 1, #leases, 2 do
        table.insert(listed, leases[i] .. ':' .. text(amount(leases[i])) .. ':' .. text(tonumber(leases[i + 1])))
    end
    return answer('done', stored[5], stored[6], more[1], more[2] or '', more[3] or '0', table.concat(listed, ' '))
end

if step == 'complete' then
    if stored[6] ~= ARGV[7] then return answer('conflict') end
    redis.call('HINCRBY', numbers, 'version', 1)
    redis.call('HSET', numbers, 'sharing', ARGV[8], 'terms', ARGV[9])
    redis.call('HDEL', numbers, 'pending', 'moved')
    return answer('done')
end

if step == 'reserve' and stored[5] ~= ARGV[7] then return { 'unknown' } end
if step == 'adjust' and stored[6] ~= ARGV[7] then return answer('conflict') end

local function cut()
    if balance >= max then
        balance, remainder = max, 0
    end
end

-- advance
for _, id in ipairs(redis.call('ZRANGEBYSCORE', held, '-inf', text(now))) do
    balance = bounded(balance + amount(id))
    local expired_at = tonumber(redis.call('ZSCORE', held, id))
    redis.call('HDEL', numbers, 'l:' .. id)
    redis.call('ZREM', held, id)
    redis.call('ZADD', past, text(expired_at + memory), id)
end
redis.call('ZREMRANGEBYSCORE', past, '-inf', text(now))
local passed = whole(math.max(now - as_of, 0), tick)
if passed > 0 then
    as_of = as_of + passed * tick
    local times, rest = whole(passed, window), math.fmod(passed, window)
    local each, part = whole(max, window), math.fmod(max, window)
    local low = part * rest + remainder
    balance = math.min(limit, balance + max * times + each * rest + whole(low, window))
    remainder = math.fmod(low, window)
end
cut()

local word, extra = 'done', ''
if step == 'reserve' then
    local id, wanted, expires_at = ARGV[8], tonumber(ARGV[9]), ARGV[10]
    local holds = amount(id)
    if holds > 0 then
        word, extra = 'held', text(holds) .. ':' .. text(tonumber(redis.call('ZSCORE', held, id)))
    elseif wanted > balance then
        word = 'lacking'
    else
        redis.call('ZREM', past, id)
        balance = bounded(balance - wanted)
        redis.call('HSET', numbers, 'l:' .. id, text(wanted))
        redis.call('ZADD', held, expires_at, id)
    end
elseif step == 'settle' then
    local id, real, expires_at = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
    local reserved_at, recorded_at, begun = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(stored[7] or '')
    -- What was on record when the quota was made is in it.
    local is_before = begun and reserved_at < begun
    local is_counted = is_before and recorded_at and recorded_at < begun
    if redis.call('ZSCORE', held, id) then
        -- Reserved again in a new quota, although it is in it.
        if is_counted then real = 0 end
        balance = bounded(balance + bounded(amount(id) - real))
        redis.call('HDEL', numbers, 'l:' .. id)
        redis.call('ZREM', held, id)
        -- Named before the quota began and reserved after: settled again, it must be known.
        if is_before then redis.call('ZADD', past, text(expires_at + memory), 'd:' .. id) end
    elseif redis.call('ZREM', past, id) == 1 or now >= expires_at + memory and not is_counted then
        word = 'late'
        balance = bounded(balance - real)
    elseif is_before and not is_counted and redis.call('ZADD', past, 'NX', text(expires_at + memory), 'd:' .. id) == 1 then
        word = 'late'
        balance = bounded(balance - real)
    else
        word = 'already'
    end
    if word ~= 'already' then cut() end
elseif step == 'adjust' then
    local before = balance
    local take = math.min(tonumber(ARGV[9]), math.max(balance, 0))
    balance = bounded(bounded(balance - take) + tonumber(ARGV[10]))
    max = tonumber(ARGV[8])
    cut()
    extra = text(bounded(balance - before))
    redis.call('HINCRBY', numbers, 'version', 1)
    redis.call('HSET', numbers, 'sharing', ARGV[11], 'pending', ARGV[12], 'moved', extra)
end
redis.call('HSET', numbers, 'max', text(max), 'balance', text(balance), 'remainder', text(remainder), 'as_of', text(as_of))
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 5184000000) end
return answer(word, extra)

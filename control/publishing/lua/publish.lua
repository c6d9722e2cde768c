-- Appends deltas to a feed's log, one call for each; the only writer of entries.
-- KEYS 1 log (stream), 2 head (hash)
-- ARGV 1 epoch, 2 seq, 3 envelope, 4 chain, 5 oldest seq to keep ("0": trim nothing), 6 channel, 7 what the channel
--      carries: the envelope, or a nudge when the envelope is too large for a broadcast
-- Answers {code, head epoch, head seq}: 1 appended, 0 duplicate, -2 fenced (the head has a newer epoch), -3 gap,
--      -4 no head, -5 the head has an older epoch (reset first).
-- The checks make any number of publishers safe: what a stalled one sends late is a duplicate or is fenced.
local head = redis.call('HMGET', KEYS[2], 'e', 's', 'min')
if not head[1] then
  return {-4, 0, 0}
end
local head_epoch, head_seq = tonumber(head[1]), tonumber(head[2])
local epoch, seq = tonumber(ARGV[1]), tonumber(ARGV[2])
if epoch < head_epoch then
  return {-2, head_epoch, head_seq}
end
if epoch > head_epoch then
  return {-5, head_epoch, head_seq}
end
if seq <= head_seq then
  return {0, head_epoch, head_seq}
end
if seq ~= head_seq + 1 then
  return {-3, head_epoch, head_seq}
end
local id = ARGV[1] .. '-' .. ARGV[2]
local keep = tonumber(ARGV[5])
if keep > tonumber(head[3]) then
  -- `min` is raised with the trim, in one script: whoever reads the head never finds less than it promises.
  redis.call('XADD', KEYS[1], 'MINID', '~', ARGV[1] .. '-' .. ARGV[5], id, 'd', ARGV[3])
  redis.call('HSET', KEYS[2], 's', ARGV[2], 'c', ARGV[4], 'min', ARGV[5])
else
  redis.call('XADD', KEYS[1], id, 'd', ARGV[3])
  redis.call('HSET', KEYS[2], 's', ARGV[2], 'c', ARGV[4])
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return {1, epoch, seq}

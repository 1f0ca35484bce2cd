-- wrk: posts one AdmissionReview again and again. REVIEW names its file.
local file = assert(io.open(os.getenv("REVIEW"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

bad = 0
function response(status, _, body)
  if status ~= 200 or not body:find('"allowed":', 1, true) then bad = bad + 1 end
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function done(summary, latency, _)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + (tonumber(thread:get("bad")) or 0) end
  local errors = summary.errors
  print(string.format("RESULT rate=%.0f p50_us=%d p99_us=%d max_us=%d requests=%d wrong=%d errors=%d",
    summary.requests / (summary.duration / 1e6), latency:percentile(50), latency:percentile(99), latency.max,
    summary.requests, wrong, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end

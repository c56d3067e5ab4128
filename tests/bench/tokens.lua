-- wrk: GET /v1/credentials with another tenant's token each time.
local tokens = {}

function init(args)
	for line in io.lines(args[1]) do
		tokens[#tokens + 1] = "Bearer " .. line
	end
	math.randomseed(os.time())
end

function request()
	return wrk.format("GET", "/v1/credentials", { Authorization = tokens[math.random(#tokens)] })
end

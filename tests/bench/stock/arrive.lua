-- What legacy-compat and auth's stripping do with a request, in Lua: remove
-- identity headers that a client made up, rewrite the old API, publish the
-- path for the log without its secrets.

local SECRET = {
  access_token = true, api_key = true, apikey = true, key = true,
  token = true, client_secret = true, refresh_token = true,
}

local CURRENT = {
  vitals = "/v1/market/private/user/account.json",
  account = "/v1/market/private/user/account.json",
  ["earnings-and-sales-by-month"] = "/v1/market/private/user/earnings-and-sales-by-month.json",
  statement = "/v3/market/user/statement",
  ["recent-sales"] = "/v3/market/author/sales",
}

local function redacted(path)
  if not path:find("?", 1, true) then
    return path
  end
  return (path:gsub("([?&])([^=&]+)=([^&]*)", function(mark, name, value)
    return mark .. name .. "=" .. (SECRET[name:lower()] and "***" or value)
  end))
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local spoofed
  for name in pairs(headers) do
    if name:sub(1, 10) == "x-postern-" then
      spoofed = spoofed or {}
      spoofed[#spoofed + 1] = name
    end
  end
  for _, name in ipairs(spoofed or {}) do
    headers:remove(name)
  end

  local path = headers:get(":path")
  local shown
  if headers:get(":authority") == "marketplace.example.com" then
    local version, user, key, set = path:match("^/api/(%w+)/([^/]+)/([^/]+)/([%w-]+)%.json$")
    local current = set and CURRENT[set]
    if current then
      shown = "/api/" .. version .. "/" .. user .. "/***/" .. set .. ".json"
      headers:replace(":path", current)
      headers:replace("authorization", "Bearer " .. key)
    else
      shown = "/api/***"
      headers:replace(":path", "/legacy/unknown-route")
    end
  end
  handle:streamInfo():dynamicMetadata():set("postern", "path", shown or redacted(path))
end

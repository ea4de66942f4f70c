-- Tells the upstream who calls, from the claims that jwt_authn has checked.
function envoy_on_request(handle)
  local checked = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local claims = checked and checked["jwt"]
  if not claims then
    return
  end
  local headers = handle:headers()
  headers:replace("x-postern-subject", claims["sub"])
  if claims["client_id"] then
    headers:replace("x-postern-client", claims["client_id"])
  end
  if claims["scope"] then
    headers:replace("x-postern-scopes", claims["scope"])
  end
  headers:replace("x-postern-credential", claims["jti"] and "jwt:" .. claims["jti"] or "jwt")
end

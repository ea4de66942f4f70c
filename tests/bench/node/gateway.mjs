// The demo's policy in one Node.js program, as it is written in an afternoon: express,
// http-proxy, jsonwebtoken. One process, no cache of tokens.
//
// node gateway.mjs PORT UPSTREAM-PORT JWKS LOG

import { createPublicKey, randomUUID } from "node:crypto";
import { createWriteStream, readFileSync } from "node:fs";
import { Agent } from "node:http";

import express from "express";
import httpProxy from "http-proxy";
import jwt from "jsonwebtoken";

const [port, upstream, jwks, log] = process.argv.slice(2);

const SECRET = new Set([
  "access_token", "api_key", "apikey", "key", "token", "client_secret", "refresh_token",
]);

const CURRENT = {
  vitals: "/v1/market/private/user/account.json",
  account: "/v1/market/private/user/account.json",
  "earnings-and-sales-by-month": "/v1/market/private/user/earnings-and-sales-by-month.json",
  statement: "/v3/market/user/statement",
  "recent-sales": "/v3/market/author/sales",
};

// Path, and the scope that it takes: null for everybody, "" for any token. `GET` and
// `HEAD`, unless it names another method.
const RULES = [
  [/^\/v1\/market\/(?:total-items|popular:[^/]+|user:[^/]+|new-files-from-user:[^/,]+,[^/]+)\.json$/, null],
  [/^\/v1\/discovery\/search\/search\/item$/, null],
  [/^\/v2\/market\/catalog\/item$/, null],
  [/^\/v3\/market\/catalog\/item$/, null],
  [/^\/whoami$/, ""],
  [/^\/v1\/market\/private\/user\/account\.json$/, "user:account"],
  [/^\/v1\/market\/private\/user\/username\.json$/, "user:username"],
  [/^\/v1\/market\/private\/user\/email\.json$/, "user:email"],
  [/^\/v1\/market\/private\/user\/earnings-and-sales-by-month\.json$/, "user:financial"],
  [/^\/v3\/market\/user\/statement$/, "user:financial"],
  [/^\/v3\/market\/author\/sales$/, "sale:history"],
  [/^\/v3\/market\/author\/sale$/, "sale:verify"],
  [/^\/v[23]\/market\/buyer\/list-purchases$/, "purchase:list"],
  [/^\/v3\/market\/buyer\/purchase$/, "purchase:verify"],
  [/^\/v[23]\/market\/buyer\/download$/, "purchase:download"],
  [/^\/token$/, null, "POST"],
];

const READS = ["GET", "HEAD"];

const WINDOW = 60_000;
const QUOTA = { bluefin: 5 };
const HUGE = 1_000_000_000;

const keys = new Map(
  JSON.parse(readFileSync(jwks, "utf8"))
    .keys.filter((key) => key.alg === "RS256")
    .map((key) => [key.kid, createPublicKey({ key, format: "jwk" })]),
);
const out = createWriteStream(log, { flags: "a" });
const counts = new Map();

const redacted = (url) =>
  url.replace(/([?&])([^=&]+)=([^&]*)/g, (_, mark, name, value) =>
    `${mark}${name}=${SECRET.has(name.toLowerCase()) ? "***" : value}`);

/** One line a request, when it has ended. */
function logged(request, response, next) {
  const begun = Date.now();
  request.id = randomUUID();
  request.shown = redacted(request.url);
  response.on("finish", () => {
    out.write(`${JSON.stringify({
      time: new Date(begun).toISOString(),
      request_id: request.id,
      client: request.socket.remoteAddress,
      protocol: `HTTP/${request.httpVersion}`,
      method: request.method,
      host: request.headers.host,
      path: request.shown,
      status: response.statusCode,
      duration_ms: Date.now() - begun,
      bytes_sent: response.getHeader("content-length") ?? null,
      rule: request.rule ?? null,
      subject: request.caller?.sub ?? null,
    })}\n`);
  });
  next();
}

/** No identity header comes from outside; the old API's calls become today's. */
function translated(request, _response, next) {
  for (const name of Object.keys(request.headers)) {
    if (name.startsWith("x-postern-")) delete request.headers[name];
  }
  if (request.headers.host === "marketplace.example.com") {
    const [, version, user, key, set] =
      /^\/api\/(\w+)\/([^/]+)\/([^/]+)\/([\w-]+)\.json$/.exec(request.url) ?? [];
    if (CURRENT[set]) {
      request.shown = `/api/${version}/${user}/***/${set}.json`;
      request.url = CURRENT[set];
      request.headers.authorization = `Bearer ${key}`;
    } else {
      request.shown = "/api/***";
      request.url = "/legacy/unknown-route";
    }
  }
  next();
}

function refuse(response, status, detail) {
  response.status(status).type("application/problem+json").send({ status, detail });
}

function authenticated(request, response, next) {
  const given = request.headers.authorization;
  const path = request.url.split("?", 1)[0];
  request.rule = RULES.find(([pattern, , method]) =>
    pattern.test(path) && (method ? method === request.method : READS.includes(request.method)));
  if (given === undefined && request.rule?.[1] === null) return next();
  if (!given?.startsWith("Bearer ")) return refuse(response, 401, "no token");
  jwt.verify(
    given.slice("Bearer ".length),
    (header, done) => done(keys.has(header.kid) ? null : new Error("key"), keys.get(header.kid)),
    {
      algorithms: ["RS256"],
      issuer: "https://id.example.com",
      audience: "marketplace-api",
      clockTolerance: 30,
    },
    (error, claims) => {
      if (error) return refuse(response, 401, "bad token");
      request.caller = claims;
      delete request.headers.authorization;
      request.headers["x-postern-subject"] = claims.sub;
      if (claims.client_id) request.headers["x-postern-client"] = claims.client_id;
      if (claims.scope) request.headers["x-postern-scopes"] = claims.scope;
      request.headers["x-postern-credential"] = claims.jti ? `jwt:${claims.jti}` : "jwt";
      next();
    },
  );
}

/** So many requests in a minute, by caller or address. */
function limited(request, response, next) {
  const now = Date.now();
  const caller = request.caller?.sub ?? request.socket.remoteAddress;
  let count = counts.get(caller);
  if (!count || count.until <= now) {
    count = { used: 0, until: now + WINDOW };
    counts.set(caller, count);
  }
  const quota = QUOTA[caller] ?? HUGE;
  count.used += 1;
  response.setHeader("x-ratelimit-limit", quota);
  response.setHeader("x-ratelimit-remaining", Math.max(0, quota - count.used));
  response.setHeader("x-ratelimit-reset", Math.ceil((count.until - now) / 1000));
  if (count.used > quota) return refuse(response, 429, "too many requests");
  next();
}

function allowed(request, response, next) {
  const scope = request.rule?.[1];
  const scopes = request.caller?.scope?.split(" ") ?? [];
  if (!request.rule || (scope && !scopes.includes(scope))) {
    return refuse(response, 403, "not allowed");
  }
  request.rule = request.rule[0].source;
  next();
}

const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${upstream}`,
  agent: new Agent({ keepAlive: true }),
  proxyTimeout: 9_000,
});
proxy.on("error", (_error, _request, response) => refuse(response, 502, "no answer"));

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(logged, translated, authenticated, limited, allowed);
app.use((request, response) => proxy.web(request, response));
const server = app.listen(Number(port), "127.0.0.1");
// The load's connections wait while others are measured.
server.keepAliveTimeout = 300_000;
process.on("SIGTERM", () => process.exit(0));

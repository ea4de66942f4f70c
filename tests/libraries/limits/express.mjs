// A server whose limits are counted by express-rate-limit, and reported in the form that
// the path names. Argument: the port. Says `ready` once it listens.

import { createServer } from 'node:http';
import { rateLimit } from 'express-rate-limit';

const limiter = (standardHeaders, legacyHeaders = false) => rateLimit({
  windowMs: 3_600_000,
  limit: 5,
  identifier: 'express',
  standardHeaders,
  legacyHeaders,
  keyGenerator: request => request.headers['x-caller'],
  validate: false,
  handler: (_, response) => {
    response.statusCode = 429;
    response.end('too many');
  },
});

const limiters = {
  '/draft-6': limiter('draft-6'),
  '/draft-7': limiter('draft-7'),
  '/draft-8': limiter('draft-8'),
  '/legacy': limiter(false, true),
  '/both': limiter('draft-6', true),
};

const server = createServer((request, response) => {
  const limited = limiters[request.url];
  const answer = () => response.end('good');
  // What the middleware needs of Express.
  response.append = (name, value) => response.appendHeader(name, value);
  if (limited) limited(request, response, answer);
  else answer();
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));

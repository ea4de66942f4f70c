// What clients are told, as ratelimit-header-parser reads it: a JSON line for each
// dialect. Argument: where the gateway listens.

import { parseRateLimit } from 'ratelimit-header-parser';

const address = process.argv[2];
// A day is a day.
process.env.TZ = 'UTC';

// Resets are told as times: by a clock that stands still they are seconds again.
const RealDate = Date;
const now = RealDate.now();
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length > 0 ? parts : [now]));
  }

  static now() {
    return now;
  }
};

for (const dialect of ['draft_7', 'draft_3', 'github', 'twitter']) {
  const headers = { 'x-dialect': dialect, 'x-caller': `parser-${dialect}` };
  const response = await fetch(`http://${address}/`, { headers });
  const { limit, used, remaining, reset } = parseRateLimit(response);
  const seconds = (reset.getTime() - now) / 1000;
  console.log(JSON.stringify({ dialect, limit, used, remaining, reset: reset.getTime() / 1000, seconds }));
}

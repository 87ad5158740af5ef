// api.js -- calls to reeve; errors are the server's problem details.

let csrf = '';
let onSignedOut = () => {};

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || 'the request failed');
    this.status = status;
    this.code = body.code || '';
    this.hint = body.hint || '';
    this.field = body.field || '';
  }
}

export function whenSignedOut(handler) { onSignedOut = handler; }

async function call(method, path, body) {
  const options = { method, headers: {}, credentials: 'same-origin', cache: 'no-store' };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  if (method !== 'GET') options.headers['X-CSRF-Token'] = csrf;
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, { detail: 'reeve cannot be reached', hint: 'Check the connection; nothing was lost.' });
  }
  const text = await answer.text();
  let value = {};
  try { value = text ? JSON.parse(text) : {}; } catch { value = {}; }
  if (!answer.ok) {
    if (answer.status === 401 && path !== '/v1/session') onSignedOut();
    throw new Problem(answer.status, value);
  }
  return value;
}

export async function me() {
  const person = await call('GET', '/v1/me');
  csrf = person.csrf || '';
  return person;
}

export async function signIn(tenant, name, password) {
  const person = await call('POST', '/v1/session', { tenant, name, password });
  csrf = person.csrf || '';
  return person;
}

export const signOut = () => call('DELETE', '/v1/session');
export const approval = (id) => call('GET', `/v1/approvals/${encodeURIComponent(id)}`);
export const decide = (id, vote) => call('POST', `/v1/approvals/${encodeURIComponent(id)}/decision`, vote);
export const run = (id) => call('GET', `/v1/runs/${encodeURIComponent(id)}`);
export const raiseRun = (id, more) => call('POST', `/v1/runs/${encodeURIComponent(id)}/budget`, more);
export const cancelRun = (id) => call('POST', `/v1/runs/${encodeURIComponent(id)}/cancel`, {});

// All open approvals belong on the desk; decided ones and other lists come page by page.
export async function approvals(status) {
  const items = [];
  let open = 0;
  let now = Date.now();
  let after = '';
  for (let page = 0; page < (status === 'requested' ? 10 : 1); page++) {
    const query = new URLSearchParams({ limit: '200' });
    if (status) query.set('status', status);
    if (after) query.set('after', after);
    const part = await call('GET', '/v1/approvals?' + query);
    items.push(...part.items);
    open = part.open;
    now = Date.parse(part.now);
    after = part.next;
    if (!after) break;
  }
  return { items, open, skew: now - Date.now(), more: Boolean(after) };
}

export function list(what, name, value, after) {
  const query = new URLSearchParams({ limit: '100' });
  if (value) query.set(name, value);
  if (after) query.set('after', after);
  return call('GET', `/v1/${what}?${query}`);
}

// Requests to the API under /v1 with the session of the page.
import { toast } from './notices.js';
import { meta } from './page.js';

// Longer than the longest bounded wait of the API, 55 s.
const PATIENCE_MS = 65000;

// `code` is stable ("lease-lost"), `detail` a sentence for people; `problem` the whole of the answer.
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered with ${status}.`);
    Object.assign(this, { name: 'ApiError', status, code: problem.code ?? '', detail: this.message, problem });
  }
}

export function login() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

// The value of the JSON that comes back, null for none. Raises ApiError; without a connection its status is 0.
export async function api(method, path, body = undefined, { ifMatch = '', signal = undefined } = {}) {
  const headers = { Accept: 'application/json', 'X-CSRF-Token': meta('csrf-token') };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (ifMatch) headers['If-Match'] = ifMatch;
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      signal: signal ?? AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: 'unreachable', detail: 'The server does not answer. Nothing is known about the request; try again.' });
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json().catch(() => null);
  if (answer.status === 401) login();
  throw new ApiError(answer.status, (await answer.json().catch(() => null)) ?? {});
}

function say(status, text) {
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // An error page of something in between.
  }
  toast(new ApiError(status, problem ?? {}).detail, { tone: 'bad' });
}

// htmx sends the same header, and shows problems in the same way.
export function start() {
  document.addEventListener('htmx:configRequest', (event) => {
    event.detail.headers['X-CSRF-Token'] = meta('csrf-token');
  });
  document.addEventListener('htmx:responseError', (event) => {
    const { status, responseText } = event.detail.xhr;
    if (status === 401) login();
    else say(status, responseText);
  });
  document.addEventListener('htmx:sendError', () => toast('The server does not answer. Try again.', { tone: 'bad' }));
}

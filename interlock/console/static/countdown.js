// Time that is left until data-deadline: kept right each second, by the clock of the server.
import { announce } from './notices.js';
import { meta, onContent, within } from './page.js';

// From this share of the time on a deadline is near (data-start .. data-deadline).
const NEAR = 0.75;
// A lease is announced this long before its end: enough to extend it by keyboard.
const LAST_MS = 60000;

let skew = 0;
const told = new WeakSet();

// 3 d 4 h, 2 h 05 min, 4 min 30 s, 12 s: as the server writes it.
export function span(ms) {
  const whole = Math.floor(Math.abs(ms) / 1000);
  const two = (value) => String(value).padStart(2, '0');
  if (whole >= 86400) return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${whole} s`;
}

function words(left, kind) {
  if (left > 0) return `${span(left)} left`;
  return kind === 'lease' ? 'lease ended' : `${span(left)} late`;
}

function update(time, now) {
  const { deadline, start: begun, kind } = time.dataset;
  const end = Date.parse(deadline);
  const left = end - now;
  const whole = begun ? end - Date.parse(begun) : 0;
  const level = left <= 0 ? 'over' : whole > 0 && 1 - left / whole >= NEAR ? 'soon' : 'calm';
  const text = words(left, kind);
  if (time.textContent !== text) time.textContent = text;
  if (time.dataset.level !== level) time.dataset.level = level;
  if (kind !== 'lease') return;
  if (left > LAST_MS) {
    told.delete(time); // extended
  } else if (!told.has(time) && left > 0) {
    told.add(time);
    announce('Your lease ends within a minute.', { urgent: true });
  }
}

export function start() {
  const server = Date.parse(meta('server-time'));
  if (!Number.isNaN(server)) skew = server - Date.now();
  const tick = (root) => {
    const now = Date.now() + skew;
    for (const time of within(root, 'time[data-deadline]')) update(time, now);
  };
  onContent(tick);
  setInterval(() => tick(document), 1000);
}

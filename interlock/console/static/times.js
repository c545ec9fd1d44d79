// Instants in the zone of the reader: the chosen one, else that of the browser. The title has UTC.
import { cookie, element, meta, onContent, within } from './page.js';

let format;

function use(zone) {
  const parts = {
    year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
    timeZone: zone || undefined,
  };
  try {
    format = new Intl.DateTimeFormat('en-CA', parts);
  } catch {
    format = new Intl.DateTimeFormat('en-CA', { ...parts, timeZone: undefined });
  }
}

// 2026-03-01 12:03, in the zone of the reader.
export function local(date) {
  const part = Object.fromEntries(format.formatToParts(date).map(({ type, value }) => [type, value]));
  return `${part.year.padStart(4, '0')}-${part.month}-${part.day} ${part.hour}:${part.minute}`;
}

// 12:03
export function clock(date) {
  return local(date).slice(-5);
}

function show(root) {
  for (const time of within(root, 'time[datetime]:not([data-deadline])')) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.valueOf())) time.textContent = local(date);
  }
}

function offerZones(select) {
  const chosen = select.value;
  const known = new Set([...select.options].map((option) => option.value));
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    if (!known.has(zone)) select.append(element('option', { value: zone, textContent: zone }));
  }
  select.value = chosen;
}

export function start() {
  use(meta('zone'));
  onContent(show);
  const select = document.querySelector('[data-zone-switch]');
  if (!select) return;
  // Four hundred options: made when somebody looks at them.
  select.addEventListener('focus', () => offerZones(select), { once: true });
  select.addEventListener('change', () => {
    cookie('interlock-zone', select.value);
    use(select.value);
    show(document);
  });
}

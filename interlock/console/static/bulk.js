// Choosing rows inside an element with data-bulk, and one action on all of them with a reason (macros/bulk.html).
import { api } from './api.js';
import { ask } from './dialogs.js';
import { announce, toast } from './notices.js';
import { onContent, within } from './page.js';
import { refresh } from './live.js';

const ITEM = 'input[data-bulk-item]';
let last = null;

function items(area) {
  return [...area.querySelectorAll(ITEM)];
}

function plural(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

function show(area) {
  const all = items(area);
  const count = all.filter((item) => item.checked).length;
  const bar = area.querySelector('[data-bulk-bar]');
  bar.hidden = count === 0;
  bar.querySelector('[data-bulk-count]').textContent = `${count.toLocaleString('en')} chosen`;
  const box = area.querySelector('[data-bulk-all]');
  if (!box) return;
  box.checked = count > 0 && count === all.length;
  box.indeterminate = count > 0 && count < all.length;
}

function choose(event) {
  const area = event.target.closest('[data-bulk]');
  if (!area) return;
  if (event.target.matches('[data-bulk-all]')) {
    for (const item of items(area)) item.checked = event.target.checked;
  } else if (event.target.matches(ITEM)) {
    const all = items(area);
    if (event.shiftKey && last && all.includes(last)) {
      const [from, to] = [all.indexOf(last), all.indexOf(event.target)].sort((one, other) => one - other);
      for (const item of all.slice(from, to + 1)) item.checked = event.target.checked;
    }
    last = event.target;
  } else if (event.target.closest('[data-bulk-none]')) {
    for (const item of items(area)) item.checked = false;
  } else {
    return;
  }
  show(area);
}

// Some may be refused although the request as a whole is not.
function tell(action, count, noun, reply) {
  const done = reply?.accepted ?? reply?.replayed ?? reply?.discarded ?? count;
  if (done >= count) {
    toast(`${action}: ${plural(done, noun)}: done.`, { tone: 'good' });
    return;
  }
  const first = reply.results?.find((one) => !one.accepted)?.message ?? reply.refusals?.[0] ?? '';
  const refused = reply.refused ?? count - done;
  const left = count - done - refused;
  const rest = left > 0 ? ` ${plural(left, noun)} not tried.` : '';
  toast(`${action}: ${plural(done, noun)} done, ${refused.toLocaleString('en')} refused.${rest} ${first}`.trim(), { tone: 'bad' });
}

async function act(event) {
  const button = event.target.closest('[data-bulk-action]');
  const area = button?.closest('[data-bulk]');
  if (!area) return;
  const ids = items(area).filter((item) => item.checked).map((item) => item.value);
  const what = `${button.textContent.trim()}: ${plural(ids.length, button.dataset.bulkNoun)}`;
  const { bulkReason = 'Reason, kept with each of them', bulkField = 'ids', bulkText: text = '' } = button.dataset;
  const answer = await ask({ title: `${what}?`, text, confirm: what, reason: bulkReason });
  if (!answer) return;
  const detail = { address: button.dataset.bulkAction, ids, reason: answer.reason };
  if (!area.dispatchEvent(new CustomEvent('interlock:bulk', { detail, bubbles: true, cancelable: true }))) return;
  button.disabled = true;
  try {
    const body = { [bulkField]: ids, ...(bulkReason && { reason: answer.reason }) };
    const reply = await api('POST', detail.address, body);
    for (const item of items(area)) item.checked = false;
    show(area);
    tell(button.textContent.trim(), ids.length, button.dataset.bulkNoun, reply);
    const part = area.closest('[data-live]') ?? area.querySelector('[data-live]');
    if (part) refresh(part);
  } catch (error) {
    toast(error.message, { tone: 'bad' });
  } finally {
    button.disabled = false;
  }
}

export function start() {
  document.addEventListener('click', choose);
  document.addEventListener('click', act);
  onContent((root) => {
    for (const area of within(root, '[data-bulk]')) {
      show(area);
    }
    const around = root.closest?.('[data-bulk]');
    if (around) show(around);
  });
  document.addEventListener('change', ({ target }) => {
    if (target.matches('[data-bulk-all]')) announce(target.checked ? 'All rows chosen.' : 'No rows chosen.');
  });
}

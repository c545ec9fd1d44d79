// The page of a case: claim, decide, and whatever else can be done with it; what is seen is what the verdict is about.
import { api } from './api.js';
import { claimNext } from './claim.js';
import { drop } from './draft.js';
import { on } from './live.js';
import { announce, toast, toastNext } from './notices.js';
import { element, meta } from './page.js';
import { remember } from './undo.js';

// The lease is extended while somebody works, once two thirds of it are over.
const WORKING_MS = 60000;
const LATE_SHARE = 2 / 3;
const CHECK_MS = 5000;
// Others are told who looks at the case; they forget it after three times as long.
const VIEWING_MS = 20000;
// A refusal after which the page no longer shows how the case stands.
const STALE = new Set(['already-decided', 'lease-expired', 'wrong-epoch', 'not-held', 'held-by-another', 'stale-view']);

const place = document.querySelector('[data-task]');
const id = place.dataset.task;
const path = `/v1/tasks/${encodeURIComponent(id)}`;
const form = document.getElementById('verdict');
let epoch = Number(place.dataset.epoch);
let active = Date.now();
let extending = false;

function refuse(error) {
  const box = document.getElementById('refusal');
  box.hidden = false;
  box.replaceChildren(element('p', { textContent: error.message }));
  if (STALE.has(error.code)) {
    box.append(element('p', { className: 'note', textContent: 'Your draft is kept on this machine.' }));
    const again = element('button', { type: 'button', textContent: error.code === 'already-decided' ? 'Show what was decided' : 'Load the case again' });
    again.addEventListener('click', () => location.reload());
    box.append(again);
  }
  box.scrollIntoView({ block: 'nearest' });
}

async function command(name, body, then) {
  try {
    then(await api('POST', `${path}/${name}`, body));
  } catch (error) {
    refuse(error);
    for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  }
}

async function advance() {
  if (!document.querySelector('[data-advance]')?.checked || !(await claimNext())) location.assign('/work');
}

// What the verdict changes, by field: numbers and lists are written as JSON.
function changes() {
  const found = {};
  for (const input of form.querySelectorAll('[data-field]')) {
    const { field, before, plain } = input.dataset;
    input.setCustomValidity('');
    if (input.value === before) continue;
    if (plain !== undefined) {
      found[field] = input.value;
      continue;
    }
    try {
      found[field] = JSON.parse(input.value);
    } catch {
      input.setCustomValidity('Write a number, true, false, null, or another value as JSON.');
    }
  }
  return found;
}

function follow() {
  if (!form) return;
  const verdict = form.elements.verdict.value || form.querySelector('[name=verdict]:checked')?.value;
  const modifies = verdict === 'modify';
  form.querySelector('[data-changes]').hidden = !modifies;
  form.querySelector('[data-outcomes]').hidden = verdict === 'approve' || !verdict;
  const diff = form.querySelector('[data-diff]');
  const changed = modifies ? changes() : {};
  const rows = Object.keys(changed).map((name) => {
    const input = [...form.querySelectorAll('[data-field]')].find((one) => one.dataset.field === name);
    return element('p', {}, element('strong', { textContent: name }), ': ', element('del', { textContent: input.dataset.before }), ' → ', element('ins', { textContent: input.value }));
  });
  diff.replaceChildren(...rows);
  const code = form.elements.reason_code;
  if (verdict === 'approve' && !code.value && !('reasoned' in form.dataset) && [...code.options].some((one) => one.value === 'agree')) code.value = 'agree';
}

async function decide(event) {
  event.preventDefault();
  const data = new FormData(form);
  const verdict = data.get('verdict');
  const modifications = verdict === 'modify' ? changes() : {};
  if (!form.reportValidity()) return;
  const outcome = verdict === 'approve' ? '' : data.get('outcome') || data.get('other_outcome') || '';
  const body = { payload_hash: place.dataset.hash, verdict, outcome, modifications, reason_code: data.get('reason_code'), reason_text: data.get('reason_text') };
  body.attestations = [...form.querySelectorAll('[data-attestation]:checked')].map((one) => one.value);
  const replaces = form.dataset.kind === 'override';
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  await command(replaces ? 'override' : 'submit', replaces ? body : { ...body, epoch }, (reply) => {
    drop(form);
    if (replaces) {
      location.assign(`/tasks/${encodeURIComponent(id)}`);
      return;
    }
    remember(id, reply.message);
    advance();
  });
  button.disabled = false;
}

const BODIES = {
  'first-opinion': (data) => ({ epoch, payload_hash: place.dataset.hash, outcome: data.get('opinion') }),
  release: (data) => ({ epoch, reason_code: data.get('skip_code'), reason_text: data.get('skip_text') }),
  snooze: (data) => ({ epoch, until: Date.parse(data.get('snooze_until')) * 1000, reason_code: data.get('snooze_code'), reason_text: data.get('snooze_text') }),
  escalate: (data) => {
    const to = data.get('escalate_to').trim();
    const queue = to.startsWith('queue:') ? to.slice(6) : '';
    return { queue, to_reviewer: queue ? '' : to, reason_text: data.get('escalate_text') };
  },
  'de-escalate': (data) => ({ to_reviewer: data.get('hand_back_to').trim(), reason_text: data.get('hand_back_text') }),
  reassign: (data) => ({ to_reviewer: data.get('reassign_to').trim() }),
  appeal: (data) => ({ statement: data.get('appeal_text'), on_behalf_of: data.get('appeal_name').trim() }),
};

document.addEventListener('submit', async (event) => {
  const name = event.target.dataset.commandForm;
  if (!name) return;
  event.preventDefault();
  await command(name, BODIES[name](new FormData(event.target)), (reply) => {
    if (['de-escalate', 'reassign', 'appeal', 'first-opinion'].includes(name)) {
      toastNext(reply.message);
      location.reload();
    } else {
      advance();
    }
  });
});

document.addEventListener('click', async (event) => {
  if (event.target.closest('[data-claim]')) await command('claim', undefined, () => location.reload());
  if (event.target.closest('[data-extend]')) await extend(true);
  if (event.target.closest('[data-open-evidence]')) {
    await command('open-evidence', { epoch, payload_hash: place.dataset.hash }, () => location.reload());
  }
});

async function extend(told = false) {
  if (extending) return;
  extending = true;
  await command('extend', { epoch }, (reply) => { if (told) toast(reply.message, { tone: 'good' }); });
  extending = false;
}

// While somebody types or reads, the lease does not end under their hands.
function keepLease() {
  const status = document.querySelector('[data-lease-until]');
  if (!form || form.dataset.kind !== 'submit' || !status || status.dataset.holder !== meta('person')) return;
  const begun = Date.parse(status.dataset.leaseSince);
  const end = Date.parse(status.dataset.leaseUntil);
  const length = Math.min(end - begun, end - Date.now() + WORKING_MS * 15);
  if (Date.now() - active < WORKING_MS && end - Date.now() < length * (1 - LATE_SHARE)) extend();
}

// Somebody else decided, or the lease is over: said at once, and the draft stays.
function heard(detail) {
  if (detail.id !== id || !form || form.dataset.kind !== 'submit') return;
  if (detail.state === 'done' && detail.by !== meta('person')) refuse({ code: 'already-decided', message: `This case was already decided by ${detail.by}. Your draft is not sent.` });
  else if (detail.state !== 'done' && detail.holder !== meta('person')) refuse({ code: 'lease-expired', message: 'Your lease on this case has ended. Take it again to go on.' });
}

async function tellViewing() {
  if (!document.hidden) await api('POST', `${path}/viewing`).catch(() => null);
}

for (const name of ['keydown', 'pointerdown', 'input', 'scroll']) document.addEventListener(name, () => { active = Date.now(); }, { passive: true });
if (form) {
  form.addEventListener('submit', decide);
  for (const name of ['input', 'change', 'interlock:draft']) form.addEventListener(name, follow);
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  follow();
  announce(`Case ${id} is yours.`);
}
on('task', heard);
setInterval(keepLease, CHECK_MS);
setInterval(tellViewing, VIEWING_MS);
tellViewing();

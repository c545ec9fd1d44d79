// The editor of a policy: line numbers, messages at their lines when typing pauses, what changes, and the request to publish.
import { api } from './api.js';
import { drop } from './draft.js';
import { open } from './dialogs.js';
import { table } from './lines.js';
import { toastNext } from './notices.js';
import { element } from './page.js';

// A pause in typing, not each letter.
const PAUSE_MS = 400;

const form = document.getElementById('policy');
const area = form.elements.source;
const gutter = form.querySelector('[data-gutter]');
const verdict = form.querySelector('[data-verdict]');
const messages = form.querySelector('[data-messages]');
const meaning = form.querySelector('[data-meaning]');
const publish = form.querySelector('[data-publish]');
const dialog = document.getElementById('publish');
const refusal = dialog.querySelector('[data-publish-problem]');
const before = document.querySelector('template[data-before]').content.textContent;
let timer = 0;
let round = 0;
let checked = null;
let changes = [];

function number(problems = []) {
  const count = area.value.split('\n').length;
  const wrong = new Map(problems.map((one) => [one.line, one.message]));
  gutter.replaceChildren(...Array.from({ length: count }, (_, at) => {
    const item = element('li', { textContent: String(at + 1) });
    if (wrong.has(at + 1)) Object.assign(item, { className: 'wrong', title: wrong.get(at + 1) });
    return item;
  }));
  follow();
}

function follow() {
  gutter.scrollTop = area.scrollTop;
}

// The line is chosen, so that it is seen where it stands.
function go(line) {
  const lines = area.value.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[line - 1] ?? '').length);
  area.scrollTop = Math.max(0, (line - 4) * (area.scrollHeight / lines.length));
  follow();
}

function message(problem) {
  const button = element('button', { type: 'button', className: 'quiet', textContent: problem.line ? `Line ${problem.line}` : 'Whole text' });
  button.addEventListener('click', () => go(problem.line || 1));
  const field = problem.field ? [element('code', { textContent: problem.field }), ': '] : [];
  const hint = problem.hint ? [element('p', { className: 'note', textContent: problem.hint })] : [];
  return element('li', {}, button, ' ', ...field, problem.message, ...hint);
}

function listed(rows) {
  if (!rows.length) return element('p', { textContent: before === area.value ? 'Nothing: it is the text in force.' : 'Nothing in meaning: only the text differs.' });
  return element('ul', { className: 'meaning' }, ...rows.map((row) => {
    const kind = row.old === null ? 'diff-added' : row.new === null ? 'diff-removed' : 'diff-changed';
    return element('li', { className: kind }, element('code', { textContent: row.text }));
  }));
}

function show(facts, difference) {
  checked = facts.valid ? facts : null;
  changes = difference?.changes ?? [];
  number(facts.problems);
  const count = facts.problems.length;
  verdict.textContent = facts.valid ? `Valid: version ${facts.version} of ${facts.name}.` : `${count} ${count === 1 ? 'problem' : 'problems'}.`;
  verdict.className = facts.valid ? 'verdict-good' : 'error';
  area.ariaInvalid = String(!facts.valid);
  messages.replaceChildren(...facts.problems.map(message));
  const unknown = facts.valid && difference && difference.in_force === null;
  meaning.replaceChildren(
    facts.valid
      ? unknown ? element('p', { textContent: 'A policy of this name is not in force yet: all of it is new.' }) : listed(changes)
      : element('p', { textContent: 'To be told once the text is valid.' }),
  );
  const other = form.dataset.name && facts.valid && facts.name !== form.dataset.name;
  if (other) verdict.textContent += ` It has another name than ${form.dataset.name}: it would be published as a policy of its own.`;
  publish.disabled = !facts.valid || before === area.value;
}

async function check() {
  round += 1;
  const mine = round;
  const body = { source: area.value };
  try {
    const facts = await api('POST', '/v1/policies/check', body);
    const difference = facts.valid ? await api('POST', '/v1/policies/diff', body) : null;
    // Somebody typed on meanwhile: another check is on its way.
    if (mine === round) show(facts, difference);
  } catch (error) {
    if (mine !== round) return;
    checked = null;
    publish.disabled = true;
    verdict.className = 'error';
    verdict.textContent = `It cannot be checked: ${error.message}`;
  }
}

function changed() {
  clearTimeout(timer);
  publish.disabled = true;
  number();
  timer = setTimeout(check, PAUSE_MS);
}

function ask() {
  dialog.querySelector('[data-publish-meaning]').replaceChildren(listed(changes));
  dialog.querySelector('[data-lines]').replaceChildren(table(before, area.value));
  refusal.hidden = true;
  open('publish');
}

async function send(event) {
  event.preventDefault();
  const data = new FormData(event.target);
  const button = event.submitter ?? event.target.querySelector('[type=submit]');
  const { name } = checked;
  const body = { source: area.value, note: data.get('note') };
  if (data.get('second_person')?.trim()) body.second_person = data.get('second_person').trim();
  const ifMatch = name === form.dataset.name ? form.dataset.match : '';
  const page = `/policies/${encodeURIComponent(name)}`;
  const tried = event.submitter?.value === 'try';
  button.disabled = true;
  try {
    if (tried) {
      await api('POST', `/v1/policies/${encodeURIComponent(name)}/candidate`, { source: body.source, note: body.note }, { ifMatch });
      drop(form);
      toastNext('It is tried in shadow: it decides nothing.');
      location.assign(page);
      return;
    }
    const reply = await api('POST', `/v1/policies/${encodeURIComponent(name)}/publish`, body, { ifMatch });
    drop(form);
    const waits = reply.state === 'waiting';
    toastNext(waits ? 'Filed: another person must accept it.' : 'Published.');
    location.assign(waits ? `/proposals/${encodeURIComponent(reply.proposal.proposal_id)}` : page);
  } catch (error) {
    refusal.hidden = false;
    refusal.replaceChildren(element('p', { textContent: error.message }));
    if (error.status === 412) refusal.append(element('p', { className: 'note', textContent: 'Your text is kept as a draft on this machine: load the page again to compare it with what is in force now.' }));
  } finally {
    button.disabled = false;
  }
}

area.addEventListener('input', changed);
area.addEventListener('scroll', follow);
form.addEventListener('interlock:draft', changed);
form.addEventListener('submit', (event) => event.preventDefault());
publish.addEventListener('click', ask);
dialog.querySelector('[data-publish-form]').addEventListener('submit', send);
form.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !publish.disabled) ask();
});
number();
check();

document.querySelector('[data-upload]').addEventListener('change', async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  area.value = await file.text();
  area.dispatchEvent(new Event('input', { bubbles: true }));
});

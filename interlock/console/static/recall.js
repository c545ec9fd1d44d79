// Sends everything that a halted model has done by itself to people, in portions that the server answers within seconds.
import { api } from './api.js';
import { ask } from './dialogs.js';
import { refresh } from './live.js';
import { toast } from './notices.js';

// The server asks the desk for each of them in turn, some tens a second.
const PORTION = 50;

const place = document.getElementById('recall');
let running = false;

function plural(count) {
  return `${count.toLocaleString('en')} ${count === 1 ? 'decision' : 'decisions'}`;
}

async function listed() {
  const ids = [];
  let cursor = '';
  do {
    const page = await api('GET', `/v1/controls/recallable?scope=${encodeURIComponent(place.dataset.scope)}&limit=500&cursor=${encodeURIComponent(cursor)}`);
    ids.push(...page.decisions.map((one) => one.task_id));
    cursor = page.next ?? '';
  } while (cursor);
  return ids;
}

function tell(text) {
  document.querySelector('[data-recall-progress]').textContent = text;
}

async function send(reason) {
  const ids = await listed();
  let accepted = 0;
  let refusal = '';
  for (let at = 0; at < ids.length; at += PORTION) {
    tell(`${at.toLocaleString('en')} of ${plural(ids.length)} sent…`);
    const reply = await api('POST', '/v1/tasks/bulk/recall', { ids: ids.slice(at, at + PORTION), reason });
    accepted += reply.accepted;
    const refused = reply.results.find((one) => !one.accepted);
    refusal ||= refused?.message ?? '';
    // The desk does not answer: the rest would not fare better.
    if (refused?.code === 'unavailable') break;
  }
  const left = ids.length - accepted;
  toast(`${plural(accepted)} ${accepted === 1 ? 'waits' : 'wait'} for people${left ? `, ${left.toLocaleString('en')} do not. ${refusal}` : '.'}`, { tone: left ? 'bad' : 'good' });
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-recall]');
  if (!button || running) return;
  const count = Number(button.dataset.recall);
  const answer = await ask({
    title: `Send ${plural(count)} to people?`,
    text: 'They are judged like other cases, with priority high at least. What people do not confirm is rolled back.',
    confirm: `Send ${plural(count)}`,
    reason: 'Why: whoever judges them reads it',
    danger: true,
  });
  if (!answer) return;
  running = true;
  button.disabled = true;
  try {
    await send(answer.reason);
  } catch (error) {
    toast(`${error.message} What was sent so far is with people; send the rest again.`, { tone: 'bad' });
  } finally {
    running = false;
    tell('');
    refresh(place);
  }
});

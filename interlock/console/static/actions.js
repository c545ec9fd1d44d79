// Buttons that do one thing through the API, with the question before it written on the button:
//
//   data-act="POST /v1/controls/resume"   method and path
//   data-body='{"scope":"all"}'           what is always sent
//   data-title, data-text, data-confirm   the question; without a title nothing is asked
//   data-reason-field, data-reason-label  the name under which the reason is sent, and what it is called
//   data-reason-optional                  it may be left empty
//   data-danger, data-word                a red button; a word that must be typed first
//   data-match                            the ETag of what was seen
//   data-done                             what is said after success, else the message of the answer
//   data-then                             where to go then: a path, or "reload"; else live parts around are fetched again
import { api } from './api.js';
import { ask } from './dialogs.js';
import { refresh } from './live.js';
import { toast, toastNext } from './notices.js';

// How many dead letters were sent, and the first that were not.
function said(reply) {
  if (reply?.replayed === undefined) return '';
  const refused = reply.refused ? `, ${reply.refused.toLocaleString('en')} refused. ${reply.refusals[0] ?? ''}` : '.';
  return `${reply.replayed.toLocaleString('en')} sent again${refused}`;
}

export async function act(button) {
  const { act: what, body, title, reasonField = '', match = '', done, then } = button.dataset;
  const [method, path] = what.split(' ');
  const answer = title ? await ask({
    title,
    text: button.dataset.text ?? '',
    confirm: button.dataset.confirm ?? title,
    reason: reasonField && (button.dataset.reasonLabel ?? 'Reason'),
    optional: 'reasonOptional' in button.dataset,
    danger: 'danger' in button.dataset,
    word: button.dataset.word ?? '',
  }) : { reason: '' };
  if (!answer) return;
  const given = body ? JSON.parse(body) : {};
  const sent = reasonField ? { ...given, [reasonField]: answer.reason } : given;
  button.disabled = true;
  try {
    const reply = await api(method, path, method === 'DELETE' ? undefined : sent, { ifMatch: match });
    const text = said(reply) || (done ?? reply?.message ?? 'Done.');
    if (then) {
      toastNext(text);
      if (then === 'reload') location.reload();
      else location.assign(then);
      return;
    }
    toast(text, { tone: 'good' });
    const part = button.closest('[data-live]');
    for (const one of part ? [part] : document.querySelectorAll('main [data-live]')) refresh(one);
  } catch (error) {
    toast(error.message, { tone: 'bad' });
  } finally {
    button.disabled = false;
  }
}

export function start() {
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-act]');
    if (button && !button.disabled) act(button);
  });
}

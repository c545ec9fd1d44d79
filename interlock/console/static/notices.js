// Notices: said to screen readers, and shown in a corner.
import { element, keptHere } from './page.js';

// Long enough to read two lines; errors stay until they are closed.
const SHOWN_MS = 8000;
const NEXT = 'interlock-notice';

// `urgent` interrupts what a screen reader is saying.
export function announce(text, { urgent = false } = {}) {
  const place = document.getElementById(urgent ? 'alarms' : 'announcer');
  // The same sentence twice is a change only if the place was empty in between.
  place.textContent = '';
  requestAnimationFrame(() => { place.textContent = text; });
}

// `action`: {label, run, key}, such as an undo. Returns a function that takes the notice away.
export function toast(text, { tone = 'info', action = null, stays = tone === 'bad' || action !== null } = {}) {
  const box = element('div', { className: `toast toast-${tone}` }, element('p', { textContent: text }));
  const close = () => box.remove();
  if (action) {
    const button = element('button', { type: 'button', textContent: action.label });
    if (action.key) {
      button.dataset.key = action.key;
      button.append(' ', element('kbd', { textContent: action.key }));
    }
    button.addEventListener('click', () => { close(); action.run(); });
    box.append(button);
  }
  const closer = element('button', { type: 'button', className: 'quiet', textContent: 'Close' });
  closer.addEventListener('click', close);
  box.append(closer);
  document.getElementById('toasts').append(box);
  announce(text, { urgent: tone === 'bad' });
  if (!stays) setTimeout(close, SHOWN_MS);
  return close;
}

// Said on the page that comes next.
export function toastNext(text) {
  keptHere.set(NEXT, text);
}

export function start() {
  const text = keptHere.get(NEXT);
  keptHere.remove(NEXT);
  if (text) toast(text, { tone: 'good' });
}

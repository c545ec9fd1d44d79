// A verdict that was just sent can be taken back within a minute: the page after it offers that.
import { toast } from './notices.js';
import { keptHere } from './page.js';

// As long as the desk lets a person correct a verdict.
const UNDO_MS = 60000;
const NAME = 'interlock-undo';

export function remember(id, message) {
  keptHere.set(NAME, JSON.stringify({ id, message, at: Date.now() }));
}

function offer() {
  let last = null;
  try {
    last = JSON.parse(keptHere.get(NAME));
  } catch {
    // Nothing to undo.
  }
  keptHere.remove(NAME);
  if (!last || Date.now() - last.at > UNDO_MS) return;
  const run = () => location.assign(`/tasks/${encodeURIComponent(last.id)}?correct=true`);
  const close = toast(`${last.id}: ${last.message}`, { tone: 'good', action: { label: 'Undo', key: 'b', run } });
  setTimeout(close, UNDO_MS - (Date.now() - last.at));
}

offer();

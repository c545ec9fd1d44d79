// Starts everything that pages share. Pages add modules of their own with <script type="module" src="…">.
import * as actions from './actions.js';
import * as api from './api.js';
import * as blur from './blur.js';
import * as bulk from './bulk.js';
import * as countdown from './countdown.js';
import * as dialogs from './dialogs.js';
import * as draft from './draft.js';
import * as filters from './filters.js';
import * as keys from './keys.js';
import * as live from './live.js';
import * as notices from './notices.js';
import * as palette from './palette.js';
import * as theme from './theme.js';
import * as times from './times.js';

for (const part of [api, theme, times, dialogs, keys, palette, countdown, draft, blur, bulk, filters, actions, live, notices]) part.start();
// On a narrow screen the navigation is one line that scrolls: the page that is open is in sight.
const nav = document.querySelector('.side');
const here = nav?.querySelector('[aria-current]');
if (here) nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
document.documentElement.dataset.ready = '';

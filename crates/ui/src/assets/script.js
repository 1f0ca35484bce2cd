// What is nicer with a script; everything works without it.
'use strict';

// "/" goes to the search, unless something is being typed.
addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, select, textarea');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.getElementById('search').focus();
  }
});

// Commands can be copied.
function copying() {
  for (const code of document.querySelectorAll('code[data-copy]')) {
    if (!navigator.clipboard) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    });
    code.parentElement.after(button);
  }
}
copying();

/** A view, or nothing if it cannot be had. */
async function look(address, signal) {
  const answer = await fetch(address, { signal });
  return answer.ok || answer.status === 404 ? new DOMParser().parseFromString(await answer.text(), 'text/html') : null;
}

/** What may change of a view: not its form, which somebody may be filling in. */
const parts = () => (document.querySelector('#results') ? ['h1', '#freshness', '#status', '#results'] : ['main']);
const texts = (page, names) => names.map((part) => page.querySelector(part)?.innerHTML ?? '').join('\n');
let shown = texts(document, parts());

/** Shows another view, or the same as it now is. Where there is no script, it is there whole. */
function show(page) {
  const names = parts();
  if (!names.every((part) => page.querySelector(part))) return location.reload();
  shown = texts(page, names);
  for (const part of names) document.querySelector(part).replaceChildren(...page.querySelector(part).childNodes);
  document.querySelector('footer').replaceChildren(...page.querySelector('footer').childNodes);
  document.title = page.title;
  if (names[0] === 'main') copying();
}

// Results follow the filter while it is being filled in, and so does the address.
let asked = new AbortController();
let timer = 0;
addEventListener('input', (event) => {
  const form = event.target.closest('form[data-live]');
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const address = new URL(form.action);
    for (const [name, value] of new FormData(form)) {
      if (value !== '') address.searchParams.append(name, value);
    }
    asked.abort();
    asked = new AbortController();
    try {
      const page = await look(address, asked.signal);
      if (!page?.querySelector('#results')) return;
      show(page);
      history.replaceState(null, '', address);
    } catch (error) {
      // The next key asks again, and the button is there, too.
      if (error.name !== 'AbortError') console.info('cannot show results yet', error.message);
    }
  }, 200);
});

// A view of a cluster that is watched follows it, unless that would take away what somebody is reading or has chosen.
if (document.querySelector('main[data-follow]')) {
  const isInUse = () => {
    const within = (node) => parts().some((part) => {
      const place = document.querySelector(part);
      return node && node !== place && place.contains(node);
    });
    const chosen = getSelection();
    return within(document.activeElement) || document.querySelector('main details[open]')
      || (!chosen.isCollapsed && within(chosen.anchorNode));
  };
  const offer = () => {
    if (document.getElementById('changed')) return;
    const link = document.createElement('a');
    link.href = location.href;
    link.textContent = 'Show it as it is now';
    const note = document.createElement('p');
    note.id = 'changed';
    note.setAttribute('role', 'status');
    note.append('This has changed. ', link);
    document.querySelector('main').before(note);
  };
  const follow = async () => {
    try {
      const page = document.hidden ? null : await look(location.href, asked.signal);
      if (page && texts(page, parts()) !== shown) {
        if (isInUse()) {
          offer();
        } else {
          show(page);
          document.getElementById('changed')?.remove();
        }
      }
    } catch (error) {
      if (error.name !== 'AbortError') console.info('cannot look again yet', error.message);
    }
    setTimeout(follow, 5000);
  };
  setTimeout(follow, 5000);
}

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

// Results follow the filter while it is being filled in, and so does the address.
for (const form of document.querySelectorAll('form[data-live]')) {
  let timer = 0;
  let asked = new AbortController();
  const show = async () => {
    const address = new URL(form.action);
    for (const [name, value] of new FormData(form)) {
      if (value !== '') address.searchParams.append(name, value);
    }
    asked.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(address, { signal: asked.signal });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      // The status stays where it is and gets a new text, so that it is read out.
      for (const part of ['h1', '#status', '#results']) {
        document.querySelector(part).replaceChildren(...page.querySelector(part).childNodes);
      }
      document.title = page.title;
      history.replaceState(null, '', address);
    } catch (error) {
      // The next key asks again, and the button is there, too.
      if (error.name !== 'AbortError') console.info('cannot show results yet', error.message);
    }
  };
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(show, 200);
  });
}

// Commands can be copied.
for (const code of document.querySelectorAll('code[data-copy]')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  });
  code.parentElement.after(button);
}

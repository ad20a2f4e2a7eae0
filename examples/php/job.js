// Polls the job until it has ended.
const set = (id, text) => { document.getElementById(id).textContent = text; };
async function look() {
  const job = await (await fetch(location.href + '&json')).json();
  document.getElementById('progress').value = job.progress;
  set('phase', job.status === 'active' ? job.phase : job.status);
  set('figures', `${(job.bytes_sent / 1e6).toFixed(1)} of ${(job.bytes_total / 1e6).toFixed(1)} MB`);
  set('error', job.error ? [job.error.message, job.error.remedy].filter(Boolean).join(' ') : '');
  if (job.url && job.url.startsWith('https://')) {
    const link = Object.assign(document.createElement('a'), { href: job.url, textContent: job.url });
    document.getElementById('link').replaceChildren(link);
  }
  if (!job.ended && job.status !== 'paused') setTimeout(look, 400);
}
look();

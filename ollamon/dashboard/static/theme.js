// Before the first paint, so that a chosen theme does not flash. A classic script on purpose: a
// module would run too late, and the page's policy allows no inline one.
try {
  const theme = localStorage.getItem('ollamon.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme it is.
}

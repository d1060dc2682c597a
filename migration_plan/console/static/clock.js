// While writes are held the page counts; the server says from where.

let timer = 0;

function count() {
    clearInterval(timer);
    const clock = document.querySelector('[data-counts-from]');
    if (!clock) {
        return;
    }
    const began = performance.now() - Number(clock.dataset.countsFrom);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    timer = setInterval(() => {
        clock.textContent = `${((performance.now() - began) / 1000).toFixed(calm ? 0 : 1)} s`;
    }, calm ? 1000 : 100);
}

document.addEventListener('fig:changed', count);
count();

// Money, moments and numbers as people write them.

const money = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
const minute = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });

// Amounts come as exact decimals; they are only shown here, never calculated with.
export function price(amount) {
    return money.format(amount);
}

export function date(moment) {
    return day.format(new Date(moment));
}

export function time(moment) {
    return minute.format(new Date(moment));
}

export function clock(moment) {
    return new Date(moment).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

export function count(number, one, many = `${one}s`) {
    return `${number} ${number === 1 ? one : many}`;
}

export function capital(word) {
    return word.charAt(0).toUpperCase() + word.slice(1).replaceAll('-', ' ');
}

// Cents, for the few sums that no answer holds.
export function cents(amount) {
    const [whole, part = ''] = String(amount).split('.');
    return Number(whole) * 100 + Number(part.padEnd(2, '0').slice(0, 2));
}

export function fromCents(number) {
    return `${Math.floor(number / 100)}.${String(number % 100).padStart(2, '0')}`;
}

// Stripe's own code in the browser, from where this shop's settings say; card numbers never touch this shop.
import { get } from './api.js';

let loaded = null;

function load(address) {
    loaded = loaded || new Promise((done, failed) => {
        const script = document.createElement('script');
        script.src = address;
        script.onload = () => done(window.Stripe);
        script.onerror = () => failed(new Error('Stripe cannot be reached.'));
        document.head.append(script);
    });
    return loaded;
}

// A form that pays: `mount(place)` shows it, `pay(address)` asks for the money and resolves to what went wrong, or ''.
export async function paymentForm(clientSecret) {
    const { script, publishable_key: key } = await get('/api/payments/config');
    const stripe = (await load(script))(key);
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    const elements = stripe.elements({ clientSecret, appearance: { theme: dark ? 'night' : 'stripe', variables: { colorPrimary: '#6b2f6b' } } });
    return {
        mount: (place) => elements.create('payment').mount(place),
        pay: async (address) => {
            const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: address }, redirect: 'if_required' });
            return error ? error.message || 'The payment did not go through.' : '';
        },
    };
}

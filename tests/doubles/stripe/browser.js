// What stands in for Stripe.js: the same calls, a list of test cards in place of a card form.
(function () {
    const origin = new URL(document.currentScript.src).origin;
    const CARDS = [
        ['pm_card_visa', 'Visa 4242: works'],
        ['pm_card_authenticationRequired', 'Visa 3184: the bank asks first'],
        ['pm_card_chargeDeclined', 'Visa 0002: declined'],
        ['pm_card_chargeDeclinedInsufficientFunds', 'Visa 9995: not enough money'],
    ];

    function element() {
        const list = document.createElement('select');
        list.id = 'stripe-double-card';
        list.append(...CARDS.map(([value, text]) => new Option(text, value)));
        return {
            list,
            mount(place) {
                const label = document.createElement('label');
                label.htmlFor = list.id;
                label.textContent = 'Test card';
                (typeof place === 'string' ? document.querySelector(place) : place).replaceChildren(label, list);
            },
        };
    }

    window.Stripe = function (key) {
        return {
            elements({ clientSecret }) {
                const one = element();
                return { clientSecret, card: one.list, create: () => one };
            },
            async confirmPayment({ elements, confirmParams }) {
                const id = elements.clientSecret.split('_secret_')[0];
                const body = new URLSearchParams({
                    key, client_secret: elements.clientSecret, payment_method: elements.card.value, return_url: confirmParams.return_url,
                });
                const answer = await fetch(`${origin}/v3/payment_intents/${id}/confirm`, { method: 'POST', body }).catch(() => null);
                const found = answer ? await answer.json() : { error: { type: 'api_connection_error', message: 'Stripe cannot be reached.' } };
                if (found.next_action) {
                    location.assign(found.next_action.redirect_to_url.url);
                    return new Promise(() => {});
                }
                return found.error ? { error: found.error } : { paymentIntent: found };
            },
        };
    };
})();

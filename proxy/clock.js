// The time of an own write's mark (nginx.conf: $fig_marked), in unix ms. nginx's own time is that of the events it is
// busy with, which is late enough for an answer that is such an event, but not for one that TLS had ready already.
function now() {
    return '' + Date.now();
}

export default { now };

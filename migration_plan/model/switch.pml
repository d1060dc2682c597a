/* The switch as the code performs it: controllers that die or stand still between any two steps, the recovery table,
   both streams, copies of rows, proxies with hold and bounce, writers past the proxy, the journal and the lease.

   Each step stands for one call of the code that is atomic there (one transaction, one route written) and carries that
   call's name; tests/unit/model compares the names. A controller dies by going back to `idle` with everything
   forgotten, and stands still by not being scheduled: neither is counted, so both happen anywhere, any number of times.

   Promises: I1 never two owners. I2 an owner has every acknowledged write, and so has the other side once it has
   caught up. I3 (in part) no request writes twice. I4 without faults no request fails. I5 whatever was begun, the two
   rows tell whoever comes next how to end it. And: no route goes back, no hold is forgotten, one is at work.

   Bounds and the guard that is taken away come from the environment (see guards.py), so that one program
   searches all. How to read a trace: docs/model.md. */

c_decl {
\#include <stdlib.h>
static int bound(const char *name) { const char *set = getenv(name); return set ? atoi(set) : 0; }
}

#define MONOLITH 0
#define SERVICE 1
#define OTHER(s) (1 - (s))
#define NOBODY_HAS_IT 9
#define NO_ROW 0 /* cannot be read: None in the code */

mtype:state = { owner, fenced, released, standby };
mtype:case = {
    rest, nothing_happened, abort, finish_grant, finish_route, wait_for_taker, two_owners, stale_owner, owner_restored,
    nobody, unknown
};

/* The guards; 0 takes none away. */
#define GUARD_FENCE_EPOCH 1
#define GUARD_UNFENCE_EPOCH 2
#define GUARD_UNFENCE_STATE 3
#define GUARD_RELEASE_EPOCH 4
#define GUARD_GRANT_EPOCH 5
#define GUARD_GRANT_MARKER 6
#define GUARD_VOID_EPOCH 7
#define GUARD_STAND_BY_EPOCH 8
#define GUARD_STOP_EPOCH 9
#define GUARD_STOP_LOWER 10
#define GUARD_APPLY 11
#define GUARD_APPLY_POSITION 12
#define GUARD_ROUTE_EPOCH 13
#define GUARD_HOLD_EPOCH 14
#define GUARD_LEASE_TOKEN 15
#define GUARD_OWN_OUTCOME 16
#define GUARD_ABORT_LOOKS 17
#define GUARD_BOUNCE_DONE 18
#define GUARD_HOLD_FIRST 19
#define GUARD_REQUESTS_FIRST 20
#define GUARD_COUNT_FIRST 21
#define GUARD_INTENT_FIRST 22
#define GUARD_COPY_STANDS 23
#define GUARD_COPY_FIRST 24
#define GUARD_PAST 25
#define GUARD_KNOWN 26
#define GUARD_OUTLIVED 27
#define GUARD_GIVE_WAY 28
#define GUARD_ADOPT_EPOCH 29
#define GUARD_ADOPT_ASKED 30
#define GUARD_BEYOND 31
#define GUARD_SOURCE_BEHIND 32
#define GUARD_SLOT_AHEAD 33
#define GUARD_COPY_LOOKS 34
#define GUARD_COPY_WAITS 35
#define GUARD_COPY_RELEASED 36
#define GUARD_MARK_AGAIN 37
#define GUARD_INTENT_TOLD 38
#define WITH(guard) (removed != guard)

#define MOST_LOG 8
#define MOST_PROXIES 2
#define MOST_CLIENTS 2
#define MOST_CONTROLLERS 3

/* Bounds. */
byte removed, STARTS, WRITES, CONTROLLERS, PROXIES, CLIENTS, COPIES, RESUMES, RESTORES, PERSONS, BUDGET;
bool FAULTS, LOSSES, AWAY, COPY_BACK; /* COPY_BACK: copies from a side that does not own, too */

/* One row of fig.domain a side. */
mtype:state st[2] = standby;
byte ep[2] = 1;
byte marker[2];

/* What a side has: acknowledged writes as bits; its WAL: numbers of writes, or 16 + epoch for a fence's marker. */
byte rows[2], end[2], log[16];
#define LOG(s, i) log[(s) * MOST_LOG + (i)]
/* fig.position of the stream that comes to this side: how far, and the epoch of the last marker; then what of all that
   this side would still have after a crash. */
byte at[2], seen[2], kept_rows[2], kept_at[2], kept_seen[2];

byte written, acked, twice;

/* The journal: each controller's open intent, whose is the newest, who has the lease. */
bool open[MOST_CONTROLLERS];
byte open_giver[MOST_CONTROLLERS], open_epoch[MOST_CONTROLLERS], newest;
byte lease = NOBODY_HAS_IT;
byte starts, busy, resumes;

/* The journal: who owned at which epoch when the stage was written last, and the highest epoch that it was told of. */
byte known_owner, known_epoch, told;

/* A side that was restored, or failed over: see restored.pml. `rightful` is the side that owns, or did when the last switch
   began; a row that `lies` is one of the past; `lost` are acknowledged writes that went with a restore of the rightful one. */
byte restores, given_up, persons, rightful, lost;
byte owned; /* The highest epoch of an owner that the journal was told of. */
bool lies[2];
/* Why the stream to this side cannot go on; 0: it can. A stream of which it is `doubtful` waits for a person. */
#define GONE 1
#define DOUBTFUL 2
byte broken[2];

/* Routes of each proxy; which client's write is counted as in flight. */
byte route_epoch[MOST_PROXIES] = 1, route_owner[MOST_PROXIES];
bool held[MOST_PROXIES], flying[MOST_CLIENTS];
byte at_proxy[MOST_CLIENTS];

#define FLUSH(s) kept_rows[s] = rows[s]; kept_at[s] = at[s]; kept_seen[s] = seen[s]
#define HAS_ALL(s) ((rows[s] & acked & ~lost) == (acked & ~lost))
#define CLAIMS(s) (st[s] == fenced || st[s] == released)
#define APPLIED(t, e, m) (at[t] >= m && seen[t] == e)
#define GUARD_REFUSES(t) (st[t] == owner || st[t] == fenced)
#define OPEN_INTENT (open[0] || open[1] || open[2])
#define SETTLED (((st[0] == owner && st[1] == standby) || (st[1] == owner && st[0] == standby)) && !OPEN_INTENT)
#define OWNER_SIDE (st[SERVICE] == owner -> SERVICE : MONOLITH)
/* The newest intent, closed or not, testifies who owned when it was written. */
#define LAST_INTENT_IS_LATER(e_) (RESTORES && WITH(GUARD_INTENT_TOLD) && open_epoch[newest] > e_)
#define KNOWN_EPOCH (LAST_INTENT_IS_LATER(known_epoch) -> open_epoch[newest] : known_epoch)
/* As the table sees it, with both rows read: no owner from the past. */
#define AT_REST (SETTLED && (!WITH(GUARD_PAST) \
    || (KNOWN_EPOCH <= ep[OWNER_SIDE] && ep[OTHER(OWNER_SIDE)] <= ep[OWNER_SIDE])))
/* I5: whoever comes next finds an owner, or a giver that can be taken back or whose taker can be granted. */
/* The marker is applied, or on its way; a taker that has lost its stream is given all rows again, and another marker. */
#define MARKER_COMES(s) (broken[OTHER(s)] -> WITH(GUARD_COPY_RELEASED) \
    : (end[s] >= marker[s] && (at[OTHER(s)] < marker[s] || seen[OTHER(s)] == ep[s])))
#define CAN_END(s) (st[s] == fenced || (st[s] == released && ep[OTHER(s)] < ep[s] && MARKER_COMES(s)))
/* A switch of long ago, or nobody who claims anything: `fig resume --owner`. */
#define OUTLIVED(s) (CLAIMS(s) && WITH(GUARD_OUTLIVED) \
    && (KNOWN_EPOCH >= ep[s] || (st[OTHER(s)] == standby && ep[OTHER(s)] >= ep[s])))
#define FOR_A_PERSON (restores && ((!CLAIMS(0) && !CLAIMS(1)) || OUTLIVED(0) || OUTLIVED(1)))
#define I5_RECOVERABLE (st[0] == owner || st[1] == owner || CAN_END(MONOLITH) || CAN_END(SERVICE) || FOR_A_PERSON)
#define I1_ONE_OWNER (!(st[0] == owner && st[1] == owner) || lies[0] || lies[1])
/* Who accepts writes and is the rightful owner; one from the past accepts what nobody keeps, until it is fenced. */
#define OWNS(s) (st[s] == owner && !lies[s])
#define I2_OWNERS_HAVE_ALL ((!OWNS(0) || HAS_ALL(0)) && (!OWNS(1) || HAS_ALL(1)))
/* A copy takes its epoch while this side stands by, or none. */
#define EPOCH_OF_COPIES(t) ((st[t] == standby || !WITH(GUARD_COPY_STANDS)) -> ep[t] : 0)
#define I2_CAUGHT_UP(t) (!OWNS(OTHER(t)) || broken[t] || at[t] < end[OTHER(t)] || HAS_ALL(t))
/* What the rightful one does itself makes its row one of the present, and what it has accepted meanwhile history. */
#define PRESENT(s) acked = ((lies[s] && rightful == s) -> acked | rows[s] : acked); lies[s] = (lies[s] && rightful != s)
#define KEEPS_PROMISES assert(I1_ONE_OWNER); assert(I2_OWNERS_HAVE_ALL); assert(I5_RECOVERABLE)

#define OR_DIE :: FAULTS -> goto dead /* one more way for an `if` to go: here a controller may die */

/* side.sql: each of them one transaction, committed synchronously. */

inline fence(s, e) {
    d_step {
        if
        :: (st[s] == owner && (ep[s] == e || !WITH(GUARD_FENCE_EPOCH))) ->
            PRESENT(s); assert(e + 1 > ep[s]); /* FORWARD */ st[s] = fenced; ep[s] = e + 1; LOG(s, end[s]) = 16 + e + 1; end[s]++; marker[s] = end[s]; m = marker[s];
            FLUSH(s); ok = true; printf("@ c%d fence s%d %d\n", me, s, e)
        :: else -> ok = false; printf("@ c%d fence-refused s%d %d\n", me, s, e)
        fi;
        KEEPS_PROMISES
    }
}

inline unfence(s, e1) {
    d_step {
        if
        :: (st[s] == owner && ep[s] == e1 + 1) -> ok = true; printf("@ c%d unfence-again s%d %d\n", me, s, e1)
        :: (!(st[s] == owner && ep[s] == e1 + 1)
            && (st[s] == fenced || (!WITH(GUARD_UNFENCE_STATE) && st[s] == released))
            && (ep[s] == e1 || !WITH(GUARD_UNFENCE_EPOCH))) ->
            PRESENT(s); assert(e1 + 1 > ep[s]); /* FORWARD */ st[s] = owner; ep[s] = e1 + 1; marker[s] = 0; FLUSH(s); ok = true;
            printf("@ c%d unfence s%d %d\n", me, s, e1)
        :: else -> ok = false; printf("@ c%d unfence-refused s%d %d\n", me, s, e1)
        fi;
        KEEPS_PROMISES
    }
}

inline release(s, e1) {
    d_step {
        if
        :: (st[s] == released && ep[s] == e1) -> ok = true; printf("@ c%d release-again s%d %d\n", me, s, e1)
        :: (st[s] == fenced && (ep[s] == e1 || !WITH(GUARD_RELEASE_EPOCH))) ->
            st[s] = released; FLUSH(s); ok = true; printf("@ c%d release s%d %d\n", me, s, e1)
        :: else -> ok = false; printf("@ c%d release-refused s%d %d\n", me, s, e1)
        fi;
        KEEPS_PROMISES
    }
}

/* finish_grant: repeated until it holds or is stale. */
inline grant_ownership(t, e1, m1) {
    d_step {
        (APPLIED(t, e1, m1) || !WITH(GUARD_GRANT_MARKER) || (ep[t] >= e1 && WITH(GUARD_GRANT_EPOCH)) || st[t] == owner);
        if
        :: (st[t] == owner && ep[t] == e1) -> ok = true; printf("@ c%d grant_ownership-again s%d %d\n", me, t, e1)
        :: (st[t] != owner && (ep[t] < e1 || !WITH(GUARD_GRANT_EPOCH))) ->
            rightful = t; lies[t] = false; lost = lost & ~rows[t];
            st[t] = owner; ep[t] = e1; marker[t] = 0; FLUSH(t); ok = true;
            printf("@ c%d grant_ownership s%d %d\n", me, t, e1)
        :: else -> ok = false; printf("@ c%d grant_ownership-refused s%d %d\n", me, t, e1)
        fi;
        KEEPS_PROMISES
    }
}

inline stand_by(s, e1) {
    d_step {
        if
        :: (st[s] == standby && ep[s] == e1) -> ok = true; printf("@ c%d stand_by-again s%d %d\n", me, s, e1)
        :: (!(st[s] == standby && ep[s] == e1) && ((st[s] == released && ep[s] == e1) || !WITH(GUARD_STAND_BY_EPOCH))) ->
            lies[s] = false;
            st[s] = standby; FLUSH(s); ok = true; printf("@ c%d stand_by s%d %d\n", me, s, e1)
        :: else -> ok = false; printf("@ c%d stand_by-refused s%d %d\n", me, s, e1)
        fi;
        KEEPS_PROMISES
    }
}

inline void_(s, e) {
    d_step {
        if
        :: (st[s] == owner && (ep[s] == e || !WITH(GUARD_VOID_EPOCH))) ->
            PRESENT(s); assert(e + 2 > ep[s]); /* FORWARD */ ep[s] = e + 2; FLUSH(s); ok = true; printf("@ c%d void s%d %d\n", me, s, e)
        :: else -> ok = false; printf("@ c%d void-refused s%d %d\n", me, s, e)
        fi;
        KEEPS_PROMISES
    }
}

inline mark_again(s) {
    if
    :: (st[s] == released && WITH(GUARD_MARK_AGAIN)) ->
        LOG(s, end[s]) = 16 + ep[s]; end[s]++; marker[s] = end[s]; FLUSH(s); printf("@ k%d mark_again s%d %d\n", OTHER(s), s, ep[s])
    :: else
    fi
}

inline stop(s, x, e) {
    d_step {
        if
        :: ((st[s] == x && ep[s] == e) || !WITH(GUARD_STOP_EPOCH)) ->
            assert(st[s] != owner || lies[s]); /* STOPS: nobody is stopped but an owner from the past */
            lies[s] = false;
            st[s] = standby; FLUSH(s); ok = true; printf("@ c%d stop s%d %d\n", me, s, e)
        :: else -> ok = false; printf("@ c%d stop-refused s%d %d\n", me, s, e)
        fi;
        KEEPS_PROMISES
    }
}

#include "adopted.pml"

/* table.js, admin.js: what one proxy does with one call, alone for its domain. */

inline set_route(p, e, s) {
    d_step {
        if
        :: (e > route_epoch[p] || (e == route_epoch[p] && s == route_owner[p]) || !WITH(GUARD_ROUTE_EPOCH)) ->
            assert(e >= route_epoch[p]); /* FORWARD: no route goes back */
            route_epoch[p] = e; route_owner[p] = s; held[p] = false; printf("@ c%d set_route p%d %d s%d\n", me, p, e, s)
        :: else -> printf("@ c%d set_route-refused p%d %d s%d\n", me, p, e, s)
        fi
    }
}

inline hold(p, e) {
    d_step {
        if
        :: (route_epoch[p] == e || !WITH(GUARD_HOLD_EPOCH)) ->
            held[p] = true; ok = true; printf("@ c%d hold p%d %d\n", me, p, e)
        :: else -> ok = false; printf("@ c%d hold-refused p%d %d\n", me, p, e)
        fi
    }
}

inline release_hold(p, e) {
    d_step {
        if
        :: (route_epoch[p] == e) -> held[p] = false; printf("@ c%d release_hold p%d %d\n", me, p, e)
        :: else -> printf("@ c%d release_hold-refused p%d %d\n", me, p, e)
        fi
    }
}

/* parts.py: every proxy, one after the other; one that does not answer is left out. */
inline route_all(e, s) {
    p = 0;
    do
    :: (p < PROXIES) ->
        if
        :: set_route(p, e, s)
        :: (FAULTS && PROXIES > 0) -> d_step { printf("@ c%d set_route-silent p%d %d s%d\n", me, p, e, s) }
        :: FAULTS -> goto dead
        fi;
        p++
    :: else -> break
    od;
    p = 0
}

inline release_all(e) {
    p = 0;
    do
    :: (p < PROXIES) ->
        if
        :: release_hold(p, e)
        :: FAULTS -> goto dead
        fi;
        p++
    :: else -> break
    od;
    p = 0
}

/* journal.py */

inline record_intent() {
    d_step {
        open[me] = true; open_giver[me] = a; open_epoch[me] = e; newest = me;
        if :: (RESTORES && told < e + 1) -> told = e + 1 :: else fi;
        owned = ((RESTORES && e > owned) -> e : owned);
        printf("@ c%d intent s%d %d\n", me, a, e)
    }
}

inline set_stage(s, e_) {
    if :: (RESTORES && known_epoch <= e_) -> known_owner = s; known_epoch = e_; owned = (e_ > owned -> e_ : owned) :: else fi
}

inline record_outcome() {
    d_step {
        open[me] = false;
        if
        :: !WITH(GUARD_OWN_OUTCOME) -> open[0] = false; open[1] = false; open[2] = false
        :: else
        fi
    }
}

inline record_recovered() {
    d_step {
        if
        :: !WITH(GUARD_OWN_OUTCOME) -> open[0] = false; open[1] = false; open[2] = false
        :: (WITH(GUARD_OWN_OUTCOME) && whose != NOBODY_HAS_IT && open_epoch[whose] == i_epoch) -> open[whose] = false
        :: else
        fi;
        /* And the stage: of the owner whose row is read then. */
        if
        :: (st[MONOLITH] == owner) -> set_stage(MONOLITH, ep[MONOLITH])
        :: (st[MONOLITH] != owner && st[SERVICE] == owner) -> set_stage(SERVICE, ep[SERVICE])
        :: else
        fi;
        printf("@ c%d recovered k%d\n", me, what)
    }
}

inline renew() {
    d_step {
        ok = (lease == me || !WITH(GUARD_LEASE_TOKEN));
        assert(!ok || lease == me); /* ONE: whoever goes on has the newest lease */
        if :: ok -> printf("@ c%d renew\n", me) :: else -> printf("@ c%d renew-refused\n", me) fi
    }
}

/* The newest open intent, if any. */
inline read_intent() {
    if
    :: d_step {
        whose = NOBODY_HAS_IT;
        if
        :: open[newest] -> whose = newest
        :: (!open[newest] && open[0]) -> whose = 0
        :: (!open[newest] && !open[0] && open[1]) -> whose = 1
        :: (!open[newest] && !open[0] && !open[1] && open[2]) -> whose = 2
        :: else
        fi;
        if :: (whose != NOBODY_HAS_IT) -> i_giver = open_giver[whose]; i_epoch = open_epoch[whose] :: else fi;
        if :: (known_epoch && WITH(GUARD_KNOWN)) -> k_owner = known_owner; k_epoch = known_epoch :: else fi;
        if :: LAST_INTENT_IS_LATER(k_epoch) -> k_owner = open_giver[newest]; k_epoch = open_epoch[newest] :: else fi }
    :: (AWAY && !RESTORES) -> whose = NOBODY_HAS_IT /* JournalUnreachable; with it nobody testifies against the past */
    OR_DIE
    fi;
}

#define OUTLIVES(g, e_, s_) (WITH(GUARD_OUTLIVED) && !(e_ && s_ == owner) \
    && ((k_epoch && k_epoch >= g) || (e_ && s_ == standby && e_ >= g)))
/* recovery.py: the table, of rows as they were read. `a`, `e` and `x` are the side that it names, its epoch and state. */
inline decide() {
    d_step {
        what = nobody;
        if
        :: (e0 && (s0 == fenced || s0 == released) && !(e1 && (s1 == fenced || s1 == released) && e1 > e0)) ->
            a = MONOLITH; e = e0; x = s0; m = m0;
            if
            :: OUTLIVES(e0, e1, s1) -> what = (e1 -> nobody : unknown)
            :: (!OUTLIVES(e0, e1, s1) && e1 && s1 == owner && (e1 < e0 || s0 == fenced)) ->
                what = two_owners;
                if :: (e1 < e0 && WITH(GUARD_STOP_LOWER)) -> a = SERVICE; e = e1; x = s1 :: else fi
            :: else ->
                if
                :: (s0 == fenced) -> what = abort
                :: else -> what = (!e1 -> wait_for_taker : (s1 == owner -> finish_route : finish_grant))
                fi
            fi
        :: else ->
            if
            :: (e1 && (s1 == fenced || s1 == released)) ->
                a = SERVICE; e = e1; x = s1; m = m1;
                if
                :: OUTLIVES(e1, e0, s0) -> what = (e0 -> nobody : unknown)
                :: (!OUTLIVES(e1, e0, s0) && e0 && s0 == owner && (e0 < e1 || s1 == fenced)) ->
                    what = two_owners;
                    if :: (e0 < e1 && WITH(GUARD_STOP_LOWER)) -> a = MONOLITH; e = e0; x = s0 :: else fi
                :: else ->
                    if
                    :: (s1 == fenced) -> what = abort
                    :: else -> what = (!e0 -> wait_for_taker : (s0 == owner -> finish_route : finish_grant))
                    fi
                fi
            :: else ->
                if
                :: (e0 && s0 == owner && e1 && s1 == owner) ->
                    what = two_owners;
                    if :: (e1 < e0 || (e1 == e0 && k_epoch && k_owner == MONOLITH)) -> a = SERVICE; e = e1 :: else -> a = MONOLITH; e = e0 fi;
                    x = owner
                :: else ->
                    if
                    :: ((e0 && s0 == owner) || (e1 && s1 == owner)) ->
                        /* _past: who says owner, and who is known to have owned last. */
                        if
                        :: (e0 && s0 == owner) -> a = MONOLITH; e = e0; o_epoch = (s1 == standby -> e1 : 0)
                        :: else -> a = SERVICE; e = e1; o_epoch = (s0 == standby -> e0 : 0)
                        fi;
                        x = owner;
                        if
                        :: (WITH(GUARD_PAST) && o_epoch > k_epoch && o_epoch > e) -> what = owner_restored
                        :: (WITH(GUARD_PAST) && k_epoch >= o_epoch && k_epoch > e) ->
                            what = (k_owner == a -> owner_restored : stale_owner)
                        :: else ->
                            if
                            :: (whose == NOBODY_HAS_IT) -> what = rest
                            :: (whose != NOBODY_HAS_IT && i_giver == a && i_epoch == e) -> what = nothing_happened
                            :: else -> what = finish_route; a = OTHER(a); x = standby
                            fi
                        fi;
                        o_epoch = 0
                    :: else -> what = ((!e0 || !e1) -> unknown : nobody)
                    fi
                fi
            fi
        fi;
        /* SEEN: an owner whom the journal has outlived is not taken for one at rest (by who acts alone meanwhile). */
        assert(what != rest || e >= owned || CONTROLLERS > 1);
        printf("@ c%d decide k%d s%d %d\n", me, what, a, e)
    }
}

inline forget() {
    a = 0; e = 0; m = 0; p = 0; x = 0; ok = false; what = 0; s0 = 0; s1 = 0; e0 = 0; e1 = 0; m0 = 0; m1 = 0;
    whose = 0; i_giver = 0; i_epoch = 0; k_owner = 0; k_epoch = 0; n = 0
}

#define BEHIND(n) (PROXIES > n && route_epoch[n] < ep[OWNER_SIDE])

/* A `fig` command or the daemon: a new one each time round; it knows nothing of what was before. */
proctype Controller(byte me) {
    byte a, e, m, p, e0, e1, m0, m1, whose, i_giver, i_epoch, k_owner, k_epoch, o_epoch, n;
    mtype:state x, s0, s1;
    mtype:case what;
    bool ok;
idle:
    if
    :: atomic { (starts < STARTS && AT_REST && !broken[0] && !broken[1] && (FAULTS || !busy)) ->
        starts++; busy++; lease = me; a = OWNER_SIDE; e = ep[a]; printf("@ c%d acquire-switch s%d %d\n", me, a, e) };
        goto before_intent
    :: atomic { (!AT_REST && (FAULTS || !busy)) -> busy++; lease = me; printf("@ c%d acquire-recover\n", me) };
        goto recover
    :: atomic { (resumes < RESUMES) -> resumes++; busy++; lease = me; printf("@ c%d acquire-resume\n", me) };
        goto recover
    :: atomic { (persons < PERSONS && (FAULTS || !busy)) ->
        persons++; busy++; lease = me; printf("@ c%d acquire-adopt\n", me) };
        goto adopt_read
    :: atomic { (AT_REST && (BEHIND(0) || BEHIND(1))) -> busy++; a = OWNER_SIDE; e = ep[a] };
        route_all(e, a);
        goto ended
    fi;

    /* switch.py: Switch.run */
before_intent:
    if :: record_intent() OR_DIE fi;
    route_all(e, a);
after_intent:
    if :: renew() OR_DIE fi;
    if :: !ok -> goto taken_back :: else fi;
    p = 0;
    do
    :: (p < PROXIES && WITH(GUARD_HOLD_FIRST)) ->
        if :: hold(p, e) :: FAULTS -> goto taken_back OR_DIE fi;
        if :: !ok -> p = 0; goto taken_back :: else fi;
        p++
    :: else -> break
    od;
    p = 0;
after_hold:
    if
    :: ((!flying[0] && !flying[1]) || !WITH(GUARD_REQUESTS_FIRST))
    :: (FAULTS && (flying[0] || flying[1])) -> /* RequestsBusy: let everybody go, and once more or not. */
        release_all(e);
        if :: goto after_intent :: goto taken_back fi
    OR_DIE
    fi;
after_requests:
    if :: fence(a, e) OR_DIE fi;
    if :: !ok -> goto taken_back :: else fi;
after_fence:
    if
    :: APPLIED(OTHER(a), e + 1, m)
    :: FAULTS -> goto taken_back /* DrainTimedOut, Cancelled, an answer lost. */
    OR_DIE
    fi;
after_drain:
    if :: release(a, e + 1) :: FAULTS -> goto taken_back OR_DIE fi;
    if :: !ok -> goto taken_back :: ok :: FAULTS -> goto taken_back /* the answer lost */ fi;
after_release:
    if :: grant_ownership(OTHER(a), e + 1, m) OR_DIE fi;
    if :: !ok -> goto dead :: else fi;
after_grant:
    route_all(e + 1, OTHER(a));
after_route:
    if :: stand_by(a, e + 1) OR_DIE fi;
    if :: !ok -> goto dead :: else fi;
after_reverse:
    if :: d_step { record_outcome() } OR_DIE fi;
    if :: d_step { set_stage(OTHER(a), e + 1) } OR_DIE fi;
    goto ended;

    /* Switch._abort: what the giver's row says decides whether it was taken back. */
taken_back:
    if
    :: d_step { (st[a] == fenced && ep[a] == e + 1) -> x = fenced }
    :: d_step { (st[a] == owner) -> x = owner }
    :: d_step { (st[a] == released && ep[a] == e + 1) -> x = released; m = marker[a] }
    :: d_step { (st[a] == standby || ((CLAIMS(a)) && ep[a] != e + 1)) -> x = standby }
    OR_DIE
    fi;
    if
    :: (x == fenced) ->
        if :: unfence(a, e + 1) OR_DIE fi;
        if :: !ok -> goto dead :: else fi;
        route_all(e + 2, a)
    :: (x == owner) -> release_all(e)
    :: (x == released && WITH(GUARD_ABORT_LOOKS)) -> goto after_release
    :: else
    fi;
    assert(x != released); /* SAID: who says that it was taken back is right */
    if :: d_step { record_outcome(); printf("@ c%d aborted s%d %d\n", me, a, e) } OR_DIE fi;
    goto ended;

    /* controller.py: recover */
recover:
    if :: WITH(GUARD_INTENT_FIRST) -> read_intent() :: else fi;
    if
    :: d_step { s0 = st[0]; e0 = ep[0]; m0 = marker[0]; printf("@ c%d row s0 m%d %d\n", me, s0, e0) }
    :: AWAY -> e0 = 0
    OR_DIE
    fi;
    if
    :: d_step { s1 = st[1]; e1 = ep[1]; m1 = marker[1]; printf("@ c%d row s1 m%d %d\n", me, s1, e1) }
    :: AWAY -> e1 = 0
    OR_DIE
    fi;
    if :: !WITH(GUARD_INTENT_FIRST) -> read_intent() :: else fi;
    decide();
    d_step { s0 = 0; s1 = 0; e0 = 0; e1 = 0; m0 = 0; m1 = 0; k_owner = 0; k_epoch = 0 };
    if
    :: (what == nothing_happened) ->
        if :: void_(a, e) OR_DIE fi;
        if :: !ok -> goto dead :: else fi;
        route_all(e + 2, a)
    :: (what == abort) ->
        if :: unfence(a, e) OR_DIE fi;
        if :: !ok -> goto dead :: else fi;
        route_all(e + 1, a)
    :: (what == finish_grant || what == finish_route) ->
        if
        :: (what == finish_grant) ->
            if :: grant_ownership(OTHER(a), e, m) OR_DIE fi;
            if :: !ok -> goto dead :: else fi
        :: else
        fi;
        if
        :: d_step { (st[OTHER(a)] == owner) -> e1 = ep[OTHER(a)] }; route_all(e1, OTHER(a))
        :: (st[OTHER(a)] != owner)
        OR_DIE
        fi;
        e1 = 0;
        if
        :: (x == released) ->
            if :: stand_by(a, e) OR_DIE fi;
            if :: !ok -> goto dead :: else fi
        :: else
        fi
    :: (what == two_owners || what == stale_owner) ->
        if :: stop(a, x, e) OR_DIE fi;
        goto dead
    :: else -> goto ended
    fi;
    if :: record_recovered() OR_DIE fi;
    goto ended;

    /* adoption.py: adopt; a person says `fig resume --owner`. */
adopt_read:
    read_intent();
    if :: d_step { s0 = st[0]; e0 = ep[0] } OR_DIE fi;
    if :: d_step { s1 = st[1]; e1 = ep[1] } OR_DIE fi;
    decide();
    if
    :: (what == stale_owner || what == owner_restored || what == nobody || !WITH(GUARD_ADOPT_ASKED)) ->
        if :: a = MONOLITH :: a = SERVICE fi
    :: else -> goto dead
    fi;
    if :: beyond() OR_DIE fi;
    if :: give_way(OTHER(a)) OR_DIE fi;
    if :: !ok -> goto dead :: else fi;
    if :: adopt(a) OR_DIE fi;
    if :: !ok -> goto dead :: else fi;
    d_step { e = n; s0 = 0; s1 = 0; e0 = 0; e1 = 0; m0 = 0; m1 = 0; k_owner = 0; k_epoch = 0; n = 0 };
    route_all(e, a);
    if :: d_step { set_stage(a, e) } OR_DIE fi;
ended:
dead:
    atomic { forget(); busy-- };
    goto idle
}

/* cdc: the applier of the stream that comes to side t. Rows only with fig.guard_apply; a refused session begins anew.
   One that reads of the source's grant takes the guard anew before the next row. */
proctype Stream(byte t) {
    byte x;
    do
    :: d_step {
        (!broken[t] && at[t] < end[OTHER(t)]
         && (LOG(OTHER(t), at[t]) >= 16 || !GUARD_REFUSES(t) || !WITH(GUARD_APPLY))) ->
        x = LOG(OTHER(t), at[t]); at[t]++;
        if
        :: (x >= 16) -> seen[t] = x - 16; printf("@ a%d marker s%d %d\n", t, t, seen[t])
        :: else -> rows[t] = rows[t] | (1 << x); printf("@ a%d apply s%d %d\n", t, t, x)
        fi;
        x = 0;
        if :: !LOSSES -> FLUSH(t) :: else fi;
        assert(I2_CAUGHT_UP(t)) }
    :: d_step { (LOSSES && (kept_at[t] != at[t] || kept_rows[t] != rows[t])) -> FLUSH(t) }
    :: d_step {
        (LOSSES && (kept_at[t] != at[t] || kept_rows[t] != rows[t])) ->
        rows[t] = kept_rows[t]; at[t] = kept_at[t]; seen[t] = kept_seen[t]; printf("@ a%d lose s%d\n", t, t) }
    od
}

/* cdc: a refill or repair of side t's rows. It reads its source at a point at which the applier stands. */
proctype Copier(byte t) {
    byte copy, point, epoch, n;
    do
    :: d_step {
        (n < COPIES && !broken[t] && at[t] == end[OTHER(t)] && (COPY_BACK || st[OTHER(t)] == owner)) ->
        n++; copy = rows[OTHER(t)]; point = at[t]; epoch = EPOCH_OF_COPIES(t); printf("@ r%d read s%d %d\n", t, OTHER(t), point) };
        if :: !WITH(GUARD_COPY_FIRST) -> d_step { epoch = EPOCH_OF_COPIES(t) } :: else fi;
        d_step {
            if
            :: (((!GUARD_REFUSES(t) && ep[t] == epoch) || !WITH(GUARD_APPLY))
                && (at[t] == point || !WITH(GUARD_APPLY_POSITION))) ->
                rows[t] = copy; printf("@ r%d write s%d\n", t, t);
                if :: (!LOSSES || st[t] == owner) -> FLUSH(t) :: else fi
            :: else -> printf("@ r%d write-refused s%d\n", t, t)
            fi;
            copy = 0; point = 0; epoch = 0;
            assert(I2_OWNERS_HAVE_ALL); assert(I2_CAUGHT_UP(t)) }
    od
}

inline commit(s) {
    assert(HAS_ALL(s)); /* I2: whoever accepts a write has all */
    rows[s] = rows[s] | (1 << written); LOG(s, end[s]) = written; end[s]++; written++; FLUSH(s)
}

/* To an owner from the past, before it is fenced or a person says that it is to go on: nobody keeps it. */
#define STRAY(s) d_step { \
    (written < WRITES && st[s] == owner && lies[s]) -> printf("@ w stray s%d %d\n", s, written); \
    rows[s] = rows[s] | (1 << written); LOG(s, end[s]) = written; end[s]++; written++; FLUSH(s) }

/* Jobs, shells, forgotten workers: past every proxy. */
proctype Writer() {
    byte s;
    do
    :: d_step {
        (written < WRITES && OWNS(rightful)) ->
        s = rightful; printf("@ w write s%d %d\n", s, written);
        commit(s); acked = acked | (1 << (written - 1)); s = 0 }
    :: STRAY(MONOLITH)
    :: STRAY(SERVICE)
    od
}

/* router.js, middleware.py: one request of one user, with one commit or two. */
proctype Client(byte me) {
    byte p, s, routed, x;
    bool two, did, bounced;
    if
    :: p = 0
    :: (PROXIES > 1) -> p = 1
    fi;
    at_proxy[me] = p;
    if :: two = false :: two = true fi;
access:
    if
    :: WITH(GUARD_COUNT_FIRST) ->
        d_step { flying[me] = true; printf("@ u%d enter p%d\n", me, p) };
        if
        :: d_step { held[p] -> flying[me] = false; printf("@ u%d held p%d\n", me, p) }; goto waits
        :: d_step { !held[p] -> s = route_owner[p]; routed = route_epoch[p]; printf("@ u%d admit p%d s%d\n", me, p, s) }
        fi
    :: else ->
        d_step { !held[p] -> s = route_owner[p]; routed = route_epoch[p]; printf("@ u%d admit p%d s%d\n", me, p, s) };
        flying[me] = true
    fi;
upstream:
    atomic {
        if
        :: (st[s] == owner) ->
            assert(!did); /* I3: nothing is written twice */
            x = written; commit(s); did = true; printf("@ u%d write s%d %d\n", me, s, x)
        :: else -> x = ep[s]; printf("@ u%d write-refused s%d %d\n", me, s, x)
        fi };
    if
    :: did ->
        if
        :: two ->
            if
            :: d_step { (st[s] == owner) -> printf("@ u%d write-more s%d\n", me, s) }
            :: d_step { (st[s] != owner) -> printf("@ u%d write-refused s%d %d\n", me, s, ep[s]) };
                if :: WITH(GUARD_BOUNCE_DONE) -> goto failed :: else -> x = ep[s]; goto misdirected fi
            fi
        :: else
        fi;
        d_step { acked = acked | (1 << x); flying[me] = false; printf("@ u%d answered\n", me) };
        goto over
    :: else
    fi;
misdirected:
    if :: bounced -> goto failed :: else fi;
    d_step { flying[me] = false; bounced = true; printf("@ u%d bounce p%d %d\n", me, p, x) };
    if
    :: (route_epoch[p] > routed) -> goto access
    :: (!held[p] && route_epoch[p] <= routed && route_epoch[p] >= x) -> goto failed /* a fence that nothing explains */
    :: FAULTS -> goto failed /* the bound is over */
    fi;
waits:
    if
    :: !held[p] -> goto access
    :: FAULTS -> goto failed
    fi;
failed:
    atomic { flying[me] = false; printf("@ u%d failed\n", me); assert(FAULTS) }; /* I4 */
over:
    atomic { p = 0; s = 0; routed = 0; x = 0; two = false; did = false; bounced = false }
}

/* A hold that ends by its bound, a proxy that starts anew: holds and counts are gone, routes are in files. */
proctype Proxy(byte p) {
    do
    :: d_step { held[p] -> held[p] = false; printf("@ p%d expire p%d\n", p, p) }
    :: d_step {
        ((flying[0] && at_proxy[0] == p) || (flying[1] && at_proxy[1] == p)) ->
        if :: (at_proxy[0] == p) -> flying[0] = false :: else fi;
        if :: (at_proxy[1] == p) -> flying[1] = false :: else fi;
        held[p] = false; printf("@ p%d restart p%d\n", p, p) }
    od
}

/* restarts.py: _how; from the owner, or from a giver that has released to a taker that is still to be granted. */
#define COPIES_FROM(s, t) ((AT_REST && OWNER_SIDE == s) || (WITH(GUARD_COPY_RELEASED) && st[s] == released \
    && st[t] == standby && ep[t] < ep[s] && !OUTLIVED(s)))

#include "restored.pml"

/* A restore may take the end of a switch away that nobody else knew of: that hold ends by its bound. */
#define LEFT_HELD(n) (held[n] && !restores)

/* At rest, when every controller has looked: each proxy at the owner, and nobody held whom nobody will let go. */
proctype Rest() {
    do
    :: d_step {
        (!busy && AT_REST && !BEHIND(0) && !BEHIND(1)) ->
        assert(PROXIES < 1 || (route_owner[0] == OWNER_SIDE && !LEFT_HELD(0))); /* HELD */
        assert(PROXIES < 2 || (route_owner[1] == OWNER_SIDE && !LEFT_HELD(1))) }
    od
}

init {
    atomic {
        c_code {
            now.removed = bound("FIG_REMOVED"); now.STARTS = bound("FIG_STARTS"); now.WRITES = bound("FIG_WRITES");
            now.CONTROLLERS = bound("FIG_CONTROLLERS"); now.PROXIES = bound("FIG_PROXIES");
            now.CLIENTS = bound("FIG_CLIENTS"); now.COPIES = bound("FIG_COPIES"); now.RESUMES = bound("FIG_RESUMES");
            now.FAULTS = bound("FIG_FAULTS"); now.LOSSES = bound("FIG_LOSSES"); now.AWAY = bound("FIG_AWAY");
            now.COPY_BACK = bound("FIG_COPY_BACK");
            now.RESTORES = bound("FIG_RESTORES"); now.PERSONS = bound("FIG_PERSONS"); now.BUDGET = bound("FIG_BUDGET");
            if (now.RESTORES) now.known_epoch = 1; /* `sync` began at epoch 1 */
        };
        st[MONOLITH] = owner;
        run Controller(0);
        if :: (CONTROLLERS > 1) -> run Controller(1) :: else fi;
        if :: (CONTROLLERS > 2) -> run Controller(2) :: else fi;
        run Stream(MONOLITH); run Stream(SERVICE);
        if :: (WRITES > 0) -> run Writer() :: else fi;
        if :: (COPIES > 0) -> run Copier(MONOLITH); run Copier(SERVICE) :: else fi;
        if :: (CLIENTS > 0) -> run Client(0) :: else fi;
        if :: (CLIENTS > 1) -> run Client(1) :: else fi;
        if :: (FAULTS && PROXIES > 0) -> run Proxy(0) :: else fi;
        if :: (FAULTS && PROXIES > 1) -> run Proxy(1) :: else fi;
        if :: (RESTORES > 0) -> run Restorer(); run Keeper(MONOLITH); run Keeper(SERVICE) :: else fi;
        if :: (PROXIES > 0) -> run Rest() :: else fi
    }
}
